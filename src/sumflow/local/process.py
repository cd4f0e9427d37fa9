"""A process of the system: what to run, how to know it again, how to stop it; nothing here decides when."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from sumflow.errors import SumflowError
from sumflow.settings import child_environment

MARKER: Final = "SUMFLOW_SYSTEM"
"""The environment variable by which a process of a system is known, should its record be lost."""
COMPONENT: Final = "SUMFLOW_COMPONENT"
"""Carries the component's name beside the mark."""
LOG_LIMIT: Final = 16 * 1024 * 1024
"""A log is moved to `<name>.log.1` when it grows beyond this, in bytes; there is one such predecessor."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    Args:
        argv: the program and its arguments.
        env: what is added to the few variables that any program needs.
        log: the file that takes its standard output and error.
        stop_signal: asks it to end in good order.
    """

    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that is known again: a process id alone may by now be another's; times are seconds since the epoch."""

    pid: int
    created_at: float

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Take the identity of a living process; raise psutil.NoSuchProcess if there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Return the process if it still lives."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created_at) < 0.05
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; raise SumflowError if it cannot be started."""
    rotate(command.log)
    try:
        with command.log.open("ab") as log:
            return subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(command.env),
                cwd=command.log.parent,
                start_new_session=True,
            )
    except OSError as error:
        raise SumflowError(
            f"{command.argv[0]} could not be started: {error.strerror}",
            why=" ".join(command.argv),
            remedy="run `sumflow doctor`",
        ) from error


def run(
    argv: tuple[str, ...],
    within_s: float,
    *,
    told: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its exit code and what it said; raise SumflowError if it hangs."""
    try:
        return subprocess.run(
            argv,
            input=told,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within_s,
            check=False,
            env=child_environment(env or {}),
            cwd=cwd,
        )
    except subprocess.TimeoutExpired as error:
        raise SumflowError(
            f"{Path(argv[0]).name} did not end within {within_s:.0f} s",
            why=" ".join(argv)[:2000],
            remedy="the disk or the machine is very slow at the moment: try again, or see what else works on it",
        ) from error


def send(pid: int, number: int) -> None:
    """Signal a process; one that is gone needs no signal any more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_family(pid: int) -> None:
    """End a process by force, with its descendants: those that stand still would not notice that their parent is gone.

    PostgreSQL's would keep its shared memory, beside which no successor starts.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(pid)
        for each in [found, *found.children(recursive=True)]:
            send(each.pid, signal.SIGKILL)


def rotate(log: Path) -> None:
    """Move a log that has grown too large aside.

    A running program appends to the file it has open, so the content is copied and the file emptied: what is written
    in between is lost, which is the price of programs that know nothing of their log's limit. Where it cannot be done
    (a full disk), the log stays as it is until the next look: whoever supervises has more important things to do.
    """
    with contextlib.suppress(OSError), log.open("rb") as file:
        if file.seek(0, os.SEEK_END) > LOG_LIMIT:
            file.seek(-LOG_LIMIT, os.SEEK_END)
            log.with_name(log.name + ".1").write_bytes(file.read(LOG_LIMIT))
            os.truncate(log, 0)


def log_tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, for a message that says why something failed."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
