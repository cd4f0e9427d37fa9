"""Carries a plan out: does each fault at its time, takes it back at its end, and watches until all is as before.

Whatever happens meanwhile (an error, Ctrl-C), every fault that was begun is taken back before this returns.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from sumflow.chaos.book import Book, Sample, accepted_again, counted_again
from sumflow.chaos.faults import Fault
from sumflow.chaos.target import NotNowError, Target, Undo
from sumflow.chaos.verdict import Happened
from sumflow.errors import SumflowError

TICK_S: Final = 0.05


class Reporter(Protocol):
    """Hears what happens, as it happens; moments in seconds from the beginning of the load."""

    def began(self, happened: Happened) -> None:
        """Hear that a fault was done, or why it was not."""

    def ended(self, happened: Happened) -> None:
        """Hear that a fault was taken back."""

    def recovered(self, happened: Happened) -> None:
        """Hear that additions are accepted and counted again."""

    def settling(self, reason: str, elapsed_s: float) -> None:
        """Hear what is waited for after the load."""


@dataclass(slots=True)
class Conductor:
    """One run of a plan.

    Args:
        target: what is broken.
        plan: what is broken when, in order.
        books: the clients', as they are written.
        samples: the reader's, as they are written.
        reporter: hears what happens.
        clock: seconds from the beginning of the load.
        pause: waits for some seconds.
    """

    target: Target
    plan: Sequence[Fault]
    books: Sequence[Book]
    samples: Sequence[Sample]
    reporter: Reporter
    clock: Callable[[], float]
    pause: Callable[[float], None] = time.sleep
    happened: list[Happened] = field(default_factory=list)
    _undoing: dict[int, Undo] = field(default_factory=dict)

    def run(self, duration_s: float, recovery_within_s: float) -> None:
        """Break what is planned; return after the duration, when all has recovered or the time for that is over.

        A fault that cannot be done is noted; one that cannot be taken back is tried again, as long as there is time.
        """
        pending = deque(self.plan)
        try:
            while (now_s := self.clock()) < duration_s + recovery_within_s:
                while pending and pending[0].at_s <= now_s:
                    self._begin(pending.popleft())
                self._end_what_is_over()
                self._notice()
                if now_s >= duration_s and not pending and all(each.recovered for each in self.happened):
                    return
                self.pause(TICK_S)
        finally:
            self._take_all_back()

    def _begin(self, fault: Fault) -> None:
        happened = Happened(fault, self.clock())
        try:
            self._undoing[fault.number] = self.target.begin(fault)
        except NotNowError as error:
            happened.not_done = error.what
        except SumflowError as error:
            happened.not_done = error.in_a_line
            happened.failed = f"it could not be done: {error.in_a_line}"
        self.happened.append(happened)
        self.reporter.began(happened)

    def _end_what_is_over(self) -> None:
        for happened in self.happened:
            if happened.fault.number in self._undoing and self.clock() >= happened.began_s + happened.fault.lasts_s:
                with contextlib.suppress(SumflowError):  # the next turn tries again, and the end tells
                    self._end(happened)

    def _end(self, happened: Happened) -> None:
        self._undoing[happened.fault.number]()
        del self._undoing[happened.fault.number]
        happened.ended_s = self.clock()
        happened.acknowledged = sum(book.acknowledged for book in self.books)
        if happened.fault.lasts_s:
            self.reporter.ended(happened)

    def _notice(self) -> None:
        """Look whether what was disturbed goes on again."""
        for happened in self.happened:
            if happened.ended_s is None or happened.recovered:
                continue
            accepted_s = accepted_again(self.books, happened.ended_s)
            counted_s = counted_again(self.samples, happened.ended_s, happened.acknowledged)
            happened.accepted_after_s = None if accepted_s is None else accepted_s - happened.ended_s
            happened.counted_after_s = None if counted_s is None else counted_s - happened.ended_s
            if accepted_s is not None and counted_s is not None:
                self.reporter.recovered(happened)

    def _take_all_back(self) -> None:
        """Take back what still lasts, each whatever came of the others; note what cannot be."""
        for happened in [each for each in self.happened if each.fault.number in self._undoing]:
            try:
                self._end(happened)
            except SumflowError as error:
                happened.failed = f"it could not be taken back: {error.in_a_line}"
