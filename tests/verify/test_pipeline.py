"""The check that a sum moves the total exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from sumflow.audit.facts import Counted
from sumflow.sums.sum_pb2 import SumBatchResponse
from sumflow.sums.totals import Tally
from sumflow.verify import pipeline
from sumflow.verify.check import CheckFailedError, Passed
from sumflow.verify.pipeline import Trial, judge
from tests.client.pipeline import Pipeline, serving
from tests.verify.fake import CLEAN, LANE, FakeTarget


class CountsTwice(Pipeline):
    """Answers retries from memory, and counts everything twice."""

    def _store(self, x: list[int], y: list[int], request_id: str, total: str) -> SumBatchResponse:
        known = request_id in self.answers
        answer = super()._store(x, y, request_id, total)
        if not known:
            self.total += sum(x) + sum(y)
        return answer


class ForgetsIds(Pipeline):
    """Stores a retry as a new addition."""

    def _store(self, x: list[int], y: list[int], request_id: str, total: str) -> SumBatchResponse:
        self.answers.clear()
        return super()._store(x, y, request_id, total)


def _verify(system: Pipeline) -> object:
    with serving(system) as doors:
        return pipeline.moves_once(FakeTarget(doors=doors))


def test_a_sum_that_is_counted_once_passes_and_is_taken_back() -> None:
    """The total is what it was, and the retry was recognised."""
    system = Pipeline(total=41)
    verdict = _verify(system)
    assert isinstance(verdict, Passed)
    assert "41 -> 42" in verdict.evidence
    assert (system.total, system.duplicates) == (41, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (CountsTwice, "moved the total by 2, 3 times out of 3"),
        (ForgetsIds, "the same request got two places"),
        (lambda: Pipeline(counting=False), "not in the total after"),
    ],
)
def test_a_pipeline_that_counts_wrongly_fails(
    make: Callable[[], Pipeline], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting twice, forgetting ids and not counting are each seen."""
    monkeypatch.setattr(pipeline, "_COUNTED_WITHIN_S", 0.2)
    with pytest.raises(CheckFailedError, match=message):
        _verify(make())


def test_an_audit_without_findings_passes_and_tells_the_lag() -> None:
    """What is on its way is no failure."""
    behind = replace(
        CLEAN,
        counted={LANE: Counted(40, 40, 800)},
        total=Tally(40, 800),
        tails={LANE: Tally(1, 20)},
    )
    assert pipeline.audited(FakeTarget()) == Passed("41 accepted and 41 counted in all lanes; the databases agree")
    verdict = pipeline.audited(FakeTarget(both=behind))
    assert verdict == Passed("41 accepted and 40 counted in all lanes, 1 on their way; the databases agree")


def test_an_audit_with_findings_fails_and_names_the_first() -> None:
    """The first few are named, the others counted."""
    lanes = {UUID(int=number): Counted(1, 1, 5) for number in range(100, 105)}
    with pytest.raises(CheckFailedError) as caught:
        pipeline.audited(FakeTarget(both=replace(CLEAN, counted={**CLEAN.counted, **lanes}, total=Tally(46, 845))))
    assert str(UUID(int=100)) in caught.value.what
    assert caught.value.what.endswith("and 2 more")


def test_others_who_add_meanwhile_are_no_failure() -> None:
    """Differing moves mean that others add; equal wrong moves mean that this sum is counted wrongly."""
    verdict = judge([Trial(0, 5), Trial(7, 9), Trial(9, 30)])
    assert isinstance(verdict, Passed)
    assert "others add too (total moved by +5, +2, +21)" in verdict.evidence
    with pytest.raises(CheckFailedError, match="moved the total by 0"):
        judge([Trial(3, 3)] * 3)
