"""How the system is now: the supervisor's record, and every process and health check looked at again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import psutil

from sumflow.errors import NotRunningError
from sumflow.local import losses, postgres, state
from sumflow.local.checks import problem_of
from sumflow.local.datadir import DataDir
from sumflow.local.lifecycle import Phase
from sumflow.local.process import Identity
from sumflow.local.state import ComponentState, SystemPhase, SystemState

_ASK_TIMEOUT_S = 3.0


class ComponentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One component: what it is and how it is; memory is what the system would get back, in bytes."""

    name: str
    what: str
    state: str
    healthy: bool
    addresses: tuple[str, ...]
    pid: int | None
    uptime_s: float | None
    memory_bytes: int
    restarts: int
    problem: str
    last_exit: str
    log: str
    warning: str = ""
    """What a person should know though it works: its WAL cannot be archived."""


class SupervisorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The supervisor itself."""

    pid: int
    uptime_s: float
    memory_bytes: int


class SystemStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole system; `memory_bytes` is all of it, the supervisor included."""

    profile: str
    phase: str
    healthy: bool
    data_dir: str
    supervisor: SupervisorStatus | None
    memory_bytes: int
    components: tuple[ComponentStatus, ...]


def look(home: DataDir) -> SystemStatus:
    """Look at the system; raise NotRunningError if nothing of it runs."""
    record = state.read(home)
    if record is None or not _anything_lives(record):
        raise not_running(home)
    supervisor = _supervisor(record.supervisor)
    with ThreadPoolExecutor(8) as pool:
        components = tuple(pool.map(partial(_component, home), record.components))
    memory = sum(c.memory_bytes for c in components) + (supervisor.memory_bytes if supervisor else 0)
    healthy = supervisor is not None and record.phase is SystemPhase.UP and all(c.healthy for c in components)
    return SystemStatus(
        profile=record.profile,
        phase=record.phase.value if supervisor else "orphaned",
        healthy=healthy,
        data_dir=str(home.path),
        supervisor=supervisor,
        memory_bytes=memory,
        components=components,
    )


def not_running(home: DataDir) -> NotRunningError:
    """Return the error of a command that needs a running system."""
    return NotRunningError(f"nothing runs in {home.path}", remedy="start it with `sumflow up`")


def memory_of(process: psutil.Process) -> int:
    """Return the resident memory of a process and its children in bytes, shared pages divided among those who share."""
    try:
        family = (process, *process.children(recursive=True))
    except psutil.NoSuchProcess:
        return 0
    return sum(map(_memory_of_one, family))


def _memory_of_one(process: psutil.Process) -> int:
    """Return one process's memory; a process that ends while it is looked at has none."""
    try:
        information = process.memory_full_info()
        return int(getattr(information, "pss", 0) or information.rss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _anything_lives(record: SystemState) -> bool:
    identities = (record.supervisor, *(c.process for c in record.components))
    return any(identity is not None and identity.find() is not None for identity in identities)


def _supervisor(identity: Identity) -> SupervisorStatus | None:
    process = identity.find()
    if process is None:
        return None
    uptime_s = time.time() - identity.created_at
    return SupervisorStatus(pid=identity.pid, uptime_s=uptime_s, memory_bytes=_memory_of_one(process))


def _component(home: DataDir, record: ComponentState) -> ComponentStatus:
    process = record.process.find() if record.process else None
    has_data = record.keeps and record.phase != Phase.WAITING  # before its first start it need not have any yet
    problem = losses.problem(Path(record.keeps) if has_data else None)
    if problem is None:
        problem = problem_of(record.readiness, _ASK_TIMEOUT_S) if process else record.problem or "it does not run"
    phase = record.phase if process or record.phase in ("waiting", "restarting", "stopped") else "dead"
    return ComponentStatus(
        name=record.name,
        what=record.what,
        state=("ready" if problem is None else phase if phase != "ready" else "unready") if process else phase,
        healthy=problem is None,
        addresses=record.addresses,
        pid=process.pid if process else None,
        uptime_s=time.time() - process.create_time() if process else None,
        memory_bytes=memory_of(process) if process else 0,
        restarts=record.restarts,
        problem=problem or "",
        last_exit=record.last_exit,
        log=record.log,
        warning=postgres.archive_problem(home.data(record.name), home.archive(record.name)),
    )
