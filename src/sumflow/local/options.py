"""What an `up` is told: the command line's options, in a form that the detached supervisor can be given as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from sumflow import topology
from sumflow.settings import CommandSettings, load
from sumflow.topology.model import Topology


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to bring the system up.

    Args:
        profile: which profile of the manifests.
        data_dir: the system's directory; an absolute path.
        cache_dir: the downloads' directory; an absolute path.
        port_base: the first port of a block of this system's own; None for the table of ports, or those kept.
        manifests: a directory `k8s` other than the installed one.
        detours: ports that others use instead of a component's own, by `component/port name`: whoever listens there
            passes everything on, as a proxy does.
    """

    profile: str = "dev"
    data_dir: Path
    cache_dir: Path
    port_base: int | None = None
    manifests: Path | None = None
    detours: Mapping[str, int] = {}

    @classmethod
    def of(
        cls,
        profile: str = "dev",
        *,
        data_dir: Path | None = None,
        port_base: int | None = None,
        manifests: Path | None = None,
        detours: Mapping[str, int] | None = None,
        settings: CommandSettings | None = None,
    ) -> UpOptions:
        """Return options with what was not said taken from the environment."""
        settings = settings or load(CommandSettings)
        return cls(
            profile=profile,
            data_dir=(data_dir or settings.data_dir).expanduser().absolute(),
            cache_dir=settings.cache_dir.expanduser().absolute(),
            port_base=port_base,
            manifests=manifests.absolute() if manifests else None,
            detours=detours or {},
        )

    def topology(self) -> Topology:
        """Read the declared system."""
        return topology.load(self.profile, self.manifests)

    def to_json(self) -> str:
        """Write the options as text, for a process that is given them as an argument."""
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> UpOptions:
        """Read what `to_json` wrote."""
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))
