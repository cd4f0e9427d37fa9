"""Reads the total all the time, as a client does, and notes what it sees beside what was acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from sumflow.chaos.book import Sample
from sumflow.chaos.doors import Doors, Readable
from sumflow.errors import SumflowError

EVERY_S: Final = 0.1


class Watch:
    """The reader; a context manager that begins and ends its thread.

    Args:
        doors: where it reads.
        before: the total before the load.
        acknowledged: tells how many additions are acknowledged by now.
        clock: seconds from the beginning of the load.
    """

    def __init__(self, doors: Doors, before: int, acknowledged: Callable[[], int], clock: Callable[[], float]) -> None:
        self._doors, self._before, self._acknowledged, self._clock = doors, before, acknowledged, clock
        self._highest = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self.samples: list[Sample] = []
        self.steps_back: list[str] = []
        """Answers that were smaller than an earlier one."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._doors.totals() as totals:
                    self._read(totals)
            except SumflowError:
                self.samples.append(Sample(self._clock(), self._acknowledged(), None))
                self._stopping.wait(EVERY_S)

    def _read(self, totals: Readable) -> None:
        """Read until an answer fails to come or the end."""
        while not self._stopping.wait(EVERY_S):
            acknowledged = self._acknowledged()
            counted = totals.total() - self._before
            self.samples.append(Sample(self._clock(), acknowledged, counted))
            if counted < self._highest:
                self.steps_back.append(f"at {self._clock():.1f} s the total went back by {self._highest - counted}")
            self._highest = max(self._highest, counted)
