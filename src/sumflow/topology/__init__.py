"""What SumFlow is: the manifests in `k8s/`, read into values. Both runtimes start from here."""

from __future__ import annotations

from pathlib import Path

from sumflow.topology import kustomize, manifests
from sumflow.topology import profiles as _profiles
from sumflow.topology.model import Topology


def load(profile: str = _profiles.DEFAULT, root: Path | None = None) -> Topology:
    """Read a profile into values.

    Args:
        profile: its name, as `dev`.
        root: the directory `k8s`; the installed one, or the checkout's, where nothing is said.

    Raises:
        ManifestError: a manifest says something that cannot be honoured; names the file and the line.
        UsageError: there is no such profile, or there are no manifests.
    """
    found = _profiles.profile(profile, root)
    return manifests.topology(found.name, kustomize.build(found.directory))


def render(profile: str, root: Path | None = None) -> list[dict[str, object]]:
    """Return a profile's objects as Kubernetes takes them, in the order of declaration; errors as `load`."""
    objects = kustomize.build(_profiles.profile(profile, root).directory)
    return [{key: field.plain() for key, field in found.items.items()} for found in objects]
