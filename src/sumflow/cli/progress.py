"""Draws how an import goes: a live bar on a terminal, a line now and then elsewhere, nothing under --json."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from sumflow.cli import units
from sumflow.cli.output import Output, is_terminal
from sumflow.cli.statusline import StatusLine
from sumflow.client.importing import ImportReporter
from sumflow.client.journal import Progress

_LINE_INTERVAL_S: Final = 2.0
_DRAW_INTERVAL_S: Final = 0.1


class Silent:
    """Shows nothing; a program reads the result."""

    def moved(self, progress: Progress) -> None:
        """Show nothing."""

    def waiting(self, reason: str) -> None:
        """Show nothing."""


class Plain:
    """Writes a line at most every two seconds, with the time that has passed.

    Args:
        write: takes a line.
        first: the progress at the start, so that the rate is this run's own.
        size: the file's size in bytes, None if it is not known.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        first: Progress,
        size: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._first = first
        self._size = size
        self._clock = clock
        self._began = clock()
        self._written_at = self._began
        self._reason = ""

    def moved(self, progress: Progress) -> None:
        """Write where it stands, if the last line is old enough."""
        self._reason = ""
        if self._clock() - self._written_at >= _LINE_INTERVAL_S:
            self._say(text(progress, self._first, self._clock() - self._began, self._size))

    def waiting(self, reason: str) -> None:
        """Write what is waited for, once for each reason."""
        if reason != self._reason:
            self._reason = reason
            self._say(f"waiting for {reason}")

    def _say(self, message: str) -> None:
        self._written_at = self._clock()
        self._write(f"[{self._clock() - self._began:7.1f} s] {message}")


class Drawn:
    """Redraws one line of a terminal.

    Args:
        status: the line.
        first: the progress at the start, so that the rate is this run's own.
        size: the file's size in bytes, None if it is not known.
    """

    def __init__(self, status: StatusLine, first: Progress, size: int | None) -> None:
        self._status = status
        self._first = first
        self._size = size
        self._began = time.monotonic()
        self._drawn_at = 0.0
        self._progress = first

    def moved(self, progress: Progress) -> None:
        """Draw where it stands."""
        self._progress = progress
        now = time.monotonic()
        if now - self._drawn_at >= _DRAW_INTERVAL_S:
            self._drawn_at = now
            self._status.show(self._text(now))

    def waiting(self, reason: str) -> None:
        """Draw what is waited for, before where it stands."""
        self._status.show(f"waiting for {reason}   {self._text(time.monotonic())}")

    def _text(self, now: float) -> str:
        return text(self._progress, self._first, now - self._began, self._size)


def text(progress: Progress, first: Progress, elapsed_s: float, size: int | None) -> str:
    """Put an import's state in one line."""
    lines = progress.next_line - first.next_line
    part = f"{min(100, progress.offset * 100 // size)} %  " if size else ""
    rejected = f", {progress.rejected:,} rejected" if progress.rejected else ""
    return f"{part}{progress.accepted:,} accepted{rejected}  {units.rate(lines, elapsed_s)} lines"


@contextlib.contextmanager
def reporter(output: Output, first: Progress, size: int | None) -> Iterator[ImportReporter]:
    """Return what fits standard error, and clean the terminal up afterwards."""
    if output.as_json:
        yield Silent()
    elif is_terminal(sys.stderr):
        with StatusLine(sys.stderr) as status:
            yield Drawn(status, first, size)
    else:
        yield Plain(output.note, first, size)
