"""What `status`, `verify`, `chaos` and `destroy` do when the system is on a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from sumflow.cli import staging, units
from sumflow.cli.clusters import Place, where
from sumflow.cli.output import Output, confirmed

if TYPE_CHECKING:
    from sumflow.chaos.on_kubernetes import DeployedSystem
    from sumflow.cluster.deployed import Part
    from sumflow.cluster.objects import Ref
    from sumflow.verify.target import Target

_MARKS = {"ready": "passed", "waiting": "warning", "failed": "failed"}


def status(place: Place, output: Output) -> int:
    """Show each part of the deployed system, and why it is not ready; exit code 1 says that one is not."""
    from sumflow.cluster import deployed

    cluster = place.connect()
    system = deployed.declared(cluster)
    parts = deployed.parts(cluster, system)
    for line in _table(parts, output):
        output.line(line)
    well = sum(part.state == "ready" for part in parts)
    output.line(f"\nprofile {system.profile} on {cluster.context}: {well} of {len(parts)} ready")
    document = [
        {"object": str(p.ref), "state": p.state, "reason": p.reason, "remedy": p.remedy, "restarts": p.restarts}
        for p in parts
    ]
    output.document({"profile": system.profile, "healthy": well == len(parts), "parts": document})
    return 0 if well == len(parts) else 1


def _table(parts: list[Part], output: Output) -> Iterator[str]:
    rows = [(part.ref.kind, part.ref.namespace, part.ref.name, part.state, str(part.restarts)) for part in parts]
    heading, *lines = units.table([("KIND", "NAMESPACE", "NAME", "STATE", "RESTARTS"), *rows], frozenset({4}))
    yield "     " + heading
    for part, line in zip(parts, lines, strict=True):
        yield f"{output.mark(_MARKS[part.state]).ljust(4)} {line}"
        for told in part.reason.splitlines():
            yield f"         {told}"
        if part.remedy:
            yield f"         remedy: {part.remedy}"


@contextlib.contextmanager
def target(place: Place, manifests: Path | None) -> Iterator[Target]:
    """Return what the checks look at."""
    from sumflow.cluster import deployed
    from sumflow.cluster import target as remote

    cluster = place.connect()
    with remote.opened(cluster, deployed.declared(cluster, manifests)) as opened:
        yield opened


class Removal(staging.Plain):
    """Writes what is removed and what stays."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._to = output
        self.stays: list[dict[str, str]] = []

    def removed(self, ref: Ref) -> None:
        """Write what is being deleted."""
        where = f" -n {ref.namespace}" if ref.namespace else ""
        self._to.line(f"     {ref.typed_name} deleted{where}")

    def kept(self, ref: Ref, why: str) -> None:
        """Write what stays."""
        self.stays.append({"object": str(ref), "why": why})
        self._to.line(f"     {ref} stays: {why}")


def destroy(place: Place, output: Output, *, yes: bool, delete_data: bool) -> int:
    """Remove what `deploy` created; the data stays unless `delete_data`. Exit code 1 says that the answer was no."""
    from sumflow.cluster import removal

    cluster = place.connect()
    what = "the system and all its data" if delete_data else "the system; volumes and passwords stay"
    if not yes and not _confirmed(f"Remove {what}, from {where(cluster)}?", "destroy"):
        output.note("nothing is removed")
        return 1
    reporter = Removal(output)
    count = removal.remove(cluster, reporter, delete_data=delete_data)
    output.document({"removed": count, "kept": reporter.stays, "context": cluster.context})
    output.line(f"removed {count} objects" if count else f"nothing of SumFlow is on {cluster.context}")
    return 0


def breakable(place: Place, *, yes: bool) -> AbstractContextManager[DeployedSystem] | None:
    """Return the deployed system, to be broken where it is; None if the answer to whether it may be was no."""
    from sumflow.chaos import on_kubernetes
    from sumflow.cluster import deployed

    cluster = place.connect()
    system = deployed.declared(cluster)
    on_kubernetes.check(cluster, system)
    question = f"Break the running system of profile {system.profile}, on {where(cluster)}? Its users will notice."
    if not yes and not _confirmed(question, "chaos"):
        return None
    return on_kubernetes.deployed_system(cluster, system)


def _confirmed(question: str, command: str) -> bool:
    return confirmed(question, command, f"say `sumflow {command} --on kubernetes --yes`")
