"""A bring-up is a list of named steps; this is the type they share and the project's single waiting loop.

The same steps describe one machine and a cluster, so that progress, timeouts and messages read alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sumflow.errors import StepError


@dataclass(frozen=True, slots=True)
class Ready:
    """The condition holds; `evidence` says how that was seen."""

    evidence: str = ""


@dataclass(frozen=True, slots=True)
class NotYet:
    """The condition does not hold yet; `reason` is what a person would want to read while waiting."""

    reason: str


Readiness = Ready | NotYet


@dataclass(frozen=True, slots=True)
class Step:
    """One stage: act once, then wait until ready.

    Args:
        name: what the stage brings about, as a noun phrase.
        act: starts the work; raises SumflowError if that is impossible.
        ready: looks, never changes anything; raises SumflowError when the stage cannot become ready any more.
        within_s: the time limit for `ready`, in seconds.
    """

    name: str
    act: Callable[[], None]
    ready: Callable[[], Readiness]
    within_s: float


class Reporter(Protocol):
    """Hears what the steps do; the command line draws it, a test records it."""

    def started(self, step: str) -> None:
        """Hear that the step's act begins."""

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Hear why the step is not ready yet."""

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Hear that the step is ready, and how that was seen."""


def run(
    steps: Iterable[Step],
    reporter: Reporter,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Carry the steps out in order; raise StepError at the first that fails or is late."""
    for step in steps:
        reporter.started(step.name)
        began = clock()
        step.act()
        evidence = await_ready(step, reporter, began=began, clock=clock, pause=pause)
        reporter.done(step.name, evidence, clock() - began)


def await_ready(
    step: Step,
    reporter: Reporter,
    *,
    began: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Ask the step's condition until it holds; return its evidence, raise StepError when its time is over."""
    delay_s = 0.02
    while True:
        seen = step.ready()
        elapsed_s = clock() - began
        if isinstance(seen, Ready):
            return seen.evidence
        if elapsed_s >= step.within_s:
            raise StepError(
                f"{step.name}: not ready after {elapsed_s:.0f} s",
                why=seen.reason,
                remedy="run `sumflow status` and `sumflow logs` to see what it last said",
            )
        reporter.waiting(step.name, seen.reason, elapsed_s)
        pause(delay_s)
        delay_s = min(delay_s * 1.5, 0.25)
