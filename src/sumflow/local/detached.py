"""The supervisor as a process of its own: started by `up --detach`, which follows its progress over a pipe.

One JSON object a line says what happened; the pipe's end says that the process died. Nothing is polled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import IO, Final

import msgspec

from sumflow import steps
from sumflow.errors import SumflowError
from sumflow.local import process
from sumflow.local.datadir import DataDir, clear_disk_errors
from sumflow.local.options import UpOptions

MODULE: Final = "sumflow.local"


class Started(msgspec.Struct, frozen=True, tag="started"):
    """A step began."""

    step: str


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """A step waits for something."""

    step: str
    reason: str
    elapsed_s: float


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A step is done."""

    step: str
    evidence: str
    elapsed_s: float


class Up(msgspec.Struct, frozen=True, tag="up"):
    """Everything is up."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The bring-up failed; the error's three sentences and its exit code."""

    what: str
    why: str
    remedy: str
    exit_code: int


Message = Started | Waiting | Done | Up | Failed
_decode = msgspec.json.Decoder(Message).decode


class PipeReporter:
    """Writes what it hears into the pipe; a reader that went away is no reason to stop.

    Args:
        descriptor: the pipe's writing end.
    """

    def __init__(self, descriptor: int) -> None:
        self._pipe: IO[bytes] | None = os.fdopen(descriptor, "wb", buffering=0)

    def started(self, step: str) -> None:
        """Pass it on."""
        self.send(Started(step))

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Pass it on."""
        self.send(Waiting(step, reason, elapsed_s))

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Pass it on."""
        self.send(Done(step, evidence, elapsed_s))

    def send(self, message: Message) -> None:
        """Write one line."""
        if self._pipe:
            try:
                self._pipe.write(msgspec.json.encode(message) + b"\n")
            except BrokenPipeError:
                self._pipe = None

    def close(self) -> None:
        """Say that nothing more will come."""
        if self._pipe:
            self._pipe.close()
            self._pipe = None


def start(home: DataDir, options: UpOptions, reporter: steps.Reporter) -> None:
    """Start a supervisor in a session of its own and return when the system is up; raise its SumflowError otherwise."""
    with clear_disk_errors(home.path):
        (home.path / "logs").mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    argv = [sys.executable, "-m", MODULE, options.to_json(), str(writing)]
    with os.fdopen(reading, "rb") as pipe, home.log("supervisor.output").open("wb") as output:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(writing,), start_new_session=True
        )
        os.close(writing)
        try:
            follow(pipe, reporter, home)
        except KeyboardInterrupt:
            process.send(child.pid, signal.SIGTERM)
            child.wait()
            raise
        except SumflowError:
            child.wait()
            raise
    threading.Thread(target=child.wait, daemon=True, name="supervisor's end").start()


def follow(pipe: IO[bytes], reporter: steps.Reporter, home: DataDir) -> None:
    """Pass on what the supervisor says until it is up; raise SumflowError if it failed or died."""
    for line in pipe:
        match _decode(line):
            case Started(step):
                reporter.started(step)
            case Waiting(step, reason, elapsed_s):
                reporter.waiting(step, reason, elapsed_s)
            case Done(step, evidence, elapsed_s):
                reporter.done(step, evidence, elapsed_s)
            case Up():
                return
            case Failed(what, why, remedy, exit_code):
                error = SumflowError(what, why=why, remedy=remedy)
                error.exit_code = exit_code
                raise error
    raise SumflowError(
        "the supervisor ended before the system was up",
        why=process.log_tail(home.log("supervisor.output")),
        remedy="run `sumflow down`, which stops what it may have left, and `sumflow up` again",
    )
