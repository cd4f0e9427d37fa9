"""What a check is, what it can come to, and how a list of them is run within their time limits."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sumflow.errors import SumflowError


class Outcome(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


class CheckFailedError(SumflowError):
    """What a check looked at is not as declared; `what` says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Passed:
    """It is as declared; `evidence` says what was seen."""

    evidence: str


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """There is nothing to look at in this runtime or profile; `reason` says why."""

    reason: str


Verdict = Passed | NotApplicable


@dataclass(frozen=True, slots=True)
class Hint:
    """What to do when a check fails: a sentence, and the heading of docs/troubleshooting.md that says more."""

    text: str
    anchor: str

    @property
    def page(self) -> str:
        """The page and heading, as a link inside the repository."""
        return f"docs/troubleshooting.md#{self.anchor}"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist.

    Args:
        category: the group it is shown in.
        sentence: what is true when it passes.
        reason: why that matters.
        hint: what to do when it fails.
        within_s: its time limit, in seconds.
        run: looks; raises SumflowError (CheckFailedError for what is not as declared).
    """

    category: str
    sentence: str
    reason: str
    hint: Hint
    within_s: float
    run: Callable[[], Verdict]


@dataclass(frozen=True, slots=True)
class Result:
    """What a check came to; `evidence` is what was seen, the reason it does not apply, or the failure."""

    check: Check
    outcome: Outcome
    evidence: str
    elapsed_s: float


def run_all(checks: Iterable[Check], clock: Callable[[], float] = time.monotonic) -> Iterator[Result]:
    """Run the checks in order, each within its limit, and yield each result as it is known."""
    for check in checks:
        began = clock()
        outcome, evidence = _within_limit(check)
        yield Result(check, outcome, evidence, clock() - began)


def _within_limit(check: Check) -> tuple[Outcome, str]:
    """Run a check beside the caller; one that hangs is left behind, the process ends without it."""
    answers: queue.Queue[tuple[Outcome, str]] = queue.Queue(1)
    threading.Thread(target=lambda: answers.put(judge(check)), name=check.sentence, daemon=True).start()
    try:
        return answers.get(timeout=check.within_s)
    except queue.Empty:
        return Outcome.FAILED, f"no answer within {check.within_s:.0f} s"


def judge(check: Check) -> tuple[Outcome, str]:
    """Run one check and turn whatever comes of it into an outcome and its evidence."""
    try:
        verdict = check.run()
    except SumflowError as error:
        return Outcome.FAILED, error.in_a_line
    except Exception as error:  # noqa: BLE001 - a check that breaks is a failed check, the others still run
        return Outcome.FAILED, f"{type(error).__name__}: {error}"
    if isinstance(verdict, NotApplicable):
        return Outcome.NOT_APPLICABLE, verdict.reason
    return Outcome.PASSED, verdict.evidence
