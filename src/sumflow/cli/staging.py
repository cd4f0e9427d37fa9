"""Draws the steps of a bring-up: live on a terminal, plain lines with elapsed times elsewhere, nothing under --json."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Final

from sumflow.cli import units
from sumflow.cli.output import Output, is_terminal
from sumflow.cli.statusline import StatusLine
from sumflow.steps import Reporter

_REMIND_EVERY_S: Final = 5.0
_NAME_WIDTH: Final = 16


class Plain:
    """Writes a line for each finished step, and for a step that takes long why it waits.

    Args:
        output: where lines go.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told_at_s = 0.0

    def started(self, step: str) -> None:
        """Begin to count the time anew."""
        self._told_at_s = 0.0

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Write why it waits, every few seconds."""
        if elapsed_s - self._told_at_s >= _REMIND_EVERY_S:
            self._told_at_s = elapsed_s
            self._output.line(f"     {step}: {reason} ({units.duration(elapsed_s)})")

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Write the finished step."""
        self._output.line(done_line(self._output, step, evidence, elapsed_s))


class Live(Plain):
    """Shows the running step in a line of its own below the finished ones.

    Args:
        output: where finished steps go.
        status: the line that is redrawn.
    """

    def __init__(self, output: Output, status: StatusLine) -> None:
        super().__init__(output)
        self._status = status

    def started(self, step: str) -> None:
        """Show the step."""
        self._status.show(step)

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Show why it waits."""
        self._status.show(f"{step}  {elapsed_s:.1f} s  {reason}")

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Write the finished step above the line."""
        with self._status.away():
            super().done(step, evidence, elapsed_s)


class Silent(Plain):
    """Shows nothing; a program reads the result."""

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Show nothing."""


def done_line(output: Output, step: str, evidence: str, elapsed_s: float) -> str:
    """Put a finished step in one line; a step that does not apply is told apart."""
    mark = output.mark("not applicable" if evidence.startswith("not applicable") else "passed")
    return f"{mark} {step.ljust(_NAME_WIDTH)} {units.duration(elapsed_s).rjust(8)}  {evidence}".rstrip()


@contextlib.contextmanager
def reporter(output: Output) -> Iterator[Reporter]:
    """Return what fits standard output, and clean the terminal up afterwards."""
    if output.as_json:
        yield Silent(output)
    elif is_terminal(sys.stdout):
        with StatusLine(sys.stdout) as status:
            yield Live(output, status)
    else:
        yield Plain(output)
