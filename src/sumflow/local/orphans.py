"""Finds and stops what a dead supervisor left behind: by its record, and by the mark in the processes' environment."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from sumflow.errors import SumflowError
from sumflow.local import postgres, process
from sumflow.local.datadir import DataDir
from sumflow.local.plan import STAGES, STOP_GRACE_S
from sumflow.local.state import SystemState

_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Orphan:
    """A living process of the system without a supervisor."""

    name: str
    stage: str
    process: psutil.Process


def find(home: DataDir, state: SystemState | None) -> list[Orphan]:
    """Return every living process of the system in this directory."""
    found = {orphan.process.pid: orphan for orphan in _marked(home)}
    for component in state.components if state else ():
        recorded = component.process.find() if component.process else None
        if recorded is not None:
            found[recorded.pid] = Orphan(component.name, component.stage, recorded)
    return list(found.values())


def stop_all(home: DataDir, state: SystemState | None, tell: Callable[[str], None]) -> bool:
    """Find and stop until nothing is left, children that outlive their parents included; False if there was nothing."""
    for attempt in range(_ATTEMPTS):
        found = find(home, state)
        if not found:
            return attempt > 0
        stop(found, tell)
    left = ", ".join(f"{orphan.name} (pid {orphan.process.pid})" for orphan in find(home, state))
    if left:
        raise SumflowError(f"these processes do not end: {left}", remedy="look at them with `ps`; a disk may hang")
    return True


def stop(orphans: list[Orphan], tell: Callable[[str], None]) -> None:
    """Stop them in reverse order, politely first, all within the stages' graces."""
    for stage in reversed(STAGES):
        members = [orphan for orphan in orphans if orphan.stage == stage]
        if not members:
            continue
        tell(", ".join(sorted(orphan.name for orphan in members)))
        for orphan in members:
            process.send(orphan.process.pid, signal.SIGINT if stage == "postgres" else signal.SIGTERM)
        _, late = psutil.wait_procs([orphan.process for orphan in members], timeout=STOP_GRACE_S[stage])
        for one in late:
            process.send(one.pid, signal.SIGKILL)
        psutil.wait_procs(late, timeout=1.0)


def _marked(home: DataDir) -> list[Orphan]:
    """Look through the processes' environments; a server's own children count by their parent, while there is one."""
    found: dict[int, Orphan] = {}
    for candidate in psutil.process_iter():
        try:
            environment = candidate.environ()
            if environment.get(process.MARKER) == str(home.path) and candidate.status() != psutil.STATUS_ZOMBIE:
                name = environment.get(process.COMPONENT, candidate.name())
                found[candidate.pid] = Orphan(name, _stage_of(name), candidate)
        except (psutil.Error, OSError):
            continue
    for stray in postgres.strays(home.path / "data"):
        found.setdefault(stray.pid, Orphan("a child of PostgreSQL", "postgres", stray))
    return [orphan for orphan in found.values() if _parent(orphan.process) not in found]


def _parent(one: psutil.Process) -> int:
    try:
        return one.ppid()
    except psutil.NoSuchProcess:
        return 0


def _stage_of(name: str) -> str:
    """Tell a component's stage from its name, where no record is left."""
    for part, stage in (("postgres", "postgres"), ("kafka-", "kafka"), ("zookeeper", "coordination")):
        if part in name:
            return stage
    return "coordination" if name.startswith("controller-") else "services"
