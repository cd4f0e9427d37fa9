"""Running checks: every outcome, and no check that can hang or break the list."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest

from sumflow.errors import NotRunningError
from sumflow.verify.check import Check, CheckFailedError, Hint, NotApplicable, Outcome, Passed, Verdict, run_all


def _check(run: Callable[[], Verdict], within_s: float = 5.0) -> Check:
    return Check("category", "it is so", "it matters", Hint("do this", "the-total-does-not-move"), within_s, run)


def _raise(error: Exception) -> Verdict:
    raise error


@pytest.mark.parametrize(
    ("run", "outcome", "evidence"),
    [
        (lambda: Passed("seen"), Outcome.PASSED, "seen"),
        (lambda: NotApplicable("no cluster"), Outcome.NOT_APPLICABLE, "no cluster"),
        (lambda: _raise(CheckFailedError("2 of 3")), Outcome.FAILED, "2 of 3"),
        (lambda: _raise(NotRunningError("nobody there", why="refused")), Outcome.FAILED, "nobody there: refused"),
        (lambda: _raise(ValueError("a bug")), Outcome.FAILED, "ValueError: a bug"),
    ],
)
def test_whatever_happens_is_an_outcome_with_its_evidence(
    run: Callable[[], Verdict], outcome: Outcome, evidence: str
) -> None:
    """Passing, not applying, failing and breaking each give a result; none ends the list."""
    first, second = run_all([_check(run), _check(lambda: Passed("still run"))])
    assert (first.outcome, first.evidence) == (outcome, evidence)
    assert second.evidence == "still run"


def test_a_check_that_hangs_fails_at_its_limit() -> None:
    """A check that never answers is a failure that says so, and the next one runs."""
    never = threading.Event()

    def hang() -> Verdict:
        never.wait()
        return Passed("too late")

    first, second = run_all([_check(hang, within_s=0.05), _check(lambda: Passed("next"))])
    never.set()
    assert (first.outcome, first.evidence) == (Outcome.FAILED, "no answer within 0 s")
    assert second.outcome is Outcome.PASSED


def test_the_time_a_check_took_is_told() -> None:
    """Elapsed time is measured around each check by itself."""
    ticks = itertools.count(0, 2)
    results = list(run_all([_check(lambda: Passed(""))] * 2, clock=lambda: float(next(ticks))))
    assert [result.elapsed_s for result in results] == [2.0, 2.0]
