"""What runs, in a file that every other command reads; written whole, so that a reader never sees half of it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from sumflow.errors import SumflowError
from sumflow.local.checks import Check
from sumflow.local.datadir import DataDir, write_atomically
from sumflow.local.process import Identity


class SystemPhase(StrEnum):
    """Where the system as a whole stands."""

    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class ComponentState(msgspec.Struct, frozen=True, kw_only=True):
    """One component as the supervisor last saw it; times are seconds since the epoch."""

    name: str
    what: str
    stage: str
    phase: str
    addresses: tuple[str, ...]
    readiness: Check
    log: str
    process: Identity | None = None
    restarts: int = 0
    problem: str = ""
    last_exit: str = ""
    stop_signal: int = signal.SIGTERM
    """Asks the process to end in good order."""
    keeps: str = ""
    """The file without which its data is gone."""


class SystemState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole system."""

    profile: str
    phase: SystemPhase
    supervisor: Identity
    started_at: float
    discovery: Mapping[str, str]
    """The service-discovery table: `dns name:port` to what it is on this machine."""
    components: tuple[ComponentState, ...]


def write(home: DataDir, state: SystemState) -> None:
    """Replace the state file."""
    write_atomically(home.state_file, msgspec.json.format(msgspec.json.encode(state), indent=1))


def read(home: DataDir) -> SystemState | None:
    """Read the state file; None if there is none; raise SumflowError if it is damaged."""
    try:
        return msgspec.json.decode(home.state_file.read_bytes(), type=SystemState)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SumflowError(
            f"{home.state_file} is damaged: {error}",
            why="what runs is not known from it",
            remedy="`sumflow down` finds the processes by their environment and stops them",
        ) from error
