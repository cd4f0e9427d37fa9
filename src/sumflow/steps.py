"""A bring-up is a list of named steps; this is the type they share and the project's single waiting loop.

The same steps describe one machine and a cluster, so that progress, timeouts and messages read alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sumflow.errors import StepError

_SHORTEST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.25


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
        after: the names of the steps that must be ready first; only looked at by `run_side_by_side`.
        when_late: the remedy that is told when the time is over.
    """

    name: str
    act: Callable[[], None]
    ready: Callable[[], Readiness]
    within_s: float
    after: tuple[str, ...] = ()
    when_late: str = "run `sumflow status` and `sumflow logs` to see what it last said"


class Reporter(Protocol):
    """Hears what the steps do; the command line draws it, a test records it."""

    def started(self, step: str) -> None:
        """Hear that the step's act begins."""

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Hear why the step is not ready yet."""

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Hear that the step is ready, and how that was seen."""


class Silent:
    """A reporter for steps that nobody watches."""

    def started(self, step: str) -> None:
        """Say nothing."""

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Say nothing."""

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Say nothing."""


def run(
    steps: Iterable[Step],
    reporter: Reporter,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Carry the steps out in order; raise StepError at the first that fails or is late."""
    for step in steps:
        run_side_by_side([replace(step, after=())], reporter, clock=clock, pause=pause)


def run_side_by_side(
    steps: Iterable[Step],
    reporter: Reporter,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Carry each step out as soon as the steps it comes after are ready; raise StepError at the first that fails.

    Raises:
        ValueError: a step comes after one that is not among them, or after itself.
    """
    remaining, active, done = list(steps), dict[str, _Active](), set[str]()
    delay_s = _SHORTEST_PAUSE_S
    while remaining or active:
        starting = [step for step in remaining if done.issuperset(step.after)]
        remaining = [step for step in remaining if step not in starting]
        for step in starting:
            reporter.started(step.name)
            began_s = clock()
            step.act()
            active[step.name] = _Active(step, began_s, clock())
        if not active:
            raise ValueError(f"these steps can never begin: {', '.join(step.name for step in remaining)}")
        finished = [name for name, it in active.items() if _look(it, reporter, clock)]
        for name in finished:
            del active[name]
        done.update(finished)
        if finished:
            delay_s = _SHORTEST_PAUSE_S
        elif active:
            pause(delay_s)
            delay_s = min(delay_s * 1.5, _LONGEST_PAUSE_S)


@dataclass(frozen=True, slots=True)
class _Active:
    """A step that acted; its limit begins when its act is done, however long that took."""

    step: Step
    began_s: float
    acted_s: float


def _look(active: _Active, reporter: Reporter, clock: Callable[[], float]) -> bool:
    """Ask a step's condition once and tell the reporter; raise StepError when its time is over."""
    step = active.step
    seen, now_s = step.ready(), clock()
    if isinstance(seen, Ready):
        reporter.done(step.name, seen.evidence, now_s - active.began_s)
        return True
    if (waited_s := now_s - active.acted_s) >= step.within_s:
        raise StepError(f"{step.name}: not ready after {waited_s:.0f} s", why=seen.reason, remedy=step.when_late)
    reporter.waiting(step.name, seen.reason, now_s - active.began_s)
    return False
