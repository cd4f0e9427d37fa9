"""A whole run on a pipeline in memory: what is exact is called exact, and each flaw is found."""

from __future__ import annotations

import pytest

from sumflow.chaos.faults import Fault, Kind
from sumflow.chaos.run import Result, run
from tests.chaos.fakes import FakePipeline, Heard

PLAN = (Fault(1, Kind.CUT, "adder", 0.3, 0.3), Fault(2, Kind.CUT, "totalizer", 0.5, 0.4))


def _run(pipeline: FakePipeline, plan: tuple[Fault, ...] = PLAN, settle_s: float = 5.0) -> Result:
    return run(pipeline, plan, 1.2, Heard(), rate=2000, settle_s=settle_s, doors_of=pipeline.doors)


def test_an_exact_system_is_exact() -> None:
    """Every acknowledged addition counts, each fault is taken back and recovered from, and the figures say so."""
    pipeline = FakePipeline()
    result = _run(pipeline)
    verdict = result.verdict
    assert (verdict.exact, verdict.problems) == (True, [])
    assert verdict.acknowledged == verdict.counted == pipeline.stored.total() > 200
    assert verdict.uncertain > 0 == verdict.uncertain_counted
    assert verdict.longest_unavailability_s >= 0.3
    assert pipeline.begun == list(PLAN)
    assert pipeline.away == set()
    adder, totalizer = result.evidence.happened
    assert adder.accepted_after_s is not None
    assert totalizer.counted_after_s is not None


def test_a_lost_event_is_found() -> None:
    """One addition that was acknowledged and is not stored: one is lost, and it is named."""
    verdict = _run(FakePipeline(lose_at=50)).verdict
    assert not verdict.exact
    assert verdict.lost == 1
    assert any("was acknowledged and is not stored" in problem for problem in verdict.problems)


def test_a_doubled_event_is_found() -> None:
    """One addition that is stored twice: one is doubled, and it is named."""
    verdict = _run(FakePipeline(double_at=50)).verdict
    assert (verdict.exact, verdict.doubled, verdict.lost) == (False, 1, 0)
    assert any("is stored 2 times" in problem for problem in verdict.problems)


def test_a_lost_and_a_doubled_event_do_not_make_up_for_each_other() -> None:
    """The total is right, and both are found all the same."""
    verdict = _run(FakePipeline(lose_at=50, double_at=60)).verdict
    assert (verdict.lost, verdict.doubled) == (1, 1)


def test_what_is_stored_and_not_counted_is_lost() -> None:
    """The totalizer lacks what the adder has: so many are lost, and the audit's finding stands beside."""
    verdict = _run(FakePipeline(miscount=3), settle_s=0.3).verdict
    assert (verdict.exact, verdict.lost) == (False, 3)


def test_a_total_that_goes_back_is_found() -> None:
    """A reader that sees less than before says when, and by how much."""
    verdict = _run(FakePipeline(step_back_at=6), ()).verdict
    assert not verdict.exact
    assert any("the total went back" in problem for problem in verdict.problems)


def test_what_does_not_recover_is_found() -> None:
    """A system that is not well when the time for it is over is not exact, and the reason is told."""
    verdict = _run(FakePipeline(never_well="kafka-0: it does not run"), settle_s=0.3).verdict
    assert verdict.problems == ["not settled: kafka-0: it does not run"]


@pytest.mark.parametrize("look", ["cut", "deep", "occurrences"])
def test_what_cannot_be_read_any_more_is_not_judged_and_the_rest_is(look: str) -> None:
    """A server that stays away makes a run inexact, and says why; the rest is judged, and there to be shown."""
    result = _run(FakePipeline(lose_at=50, unread=frozenset({look})), settle_s=0.3)
    verdict = result.verdict
    assert not verdict.exact
    reasons = [problem for problem in verdict.problems if problem.startswith("not judged: ")]
    assert len(reasons) == 1
    assert reasons[0].endswith(f"{look} cannot be done: the broker is away")
    assert verdict.lost == (look != "occurrences")
    assert (verdict.counted is None) == (look != "deep")
    assert verdict.acknowledged > 200
    assert len(result.evidence.happened) == len(PLAN)


def test_a_fault_that_cannot_be_done_now_is_left_out() -> None:
    """A target that is not there at the moment is noted, and nothing is waited for."""
    result = _run(FakePipeline(), (Fault(1, Kind.CUT, "nobody", 0.1, 0.1),))
    assert result.verdict.exact
    assert result.evidence.happened[0].not_done == "nobody is not there"


def test_a_fault_that_fails_is_a_problem_and_the_run_goes_on() -> None:
    """Books and timeline are there, the other faults were done, and the verdict names what failed."""
    result = _run(FakePipeline(), (Fault(1, Kind.CUT, "undoable", 0.1, 0.1), Fault(2, Kind.CUT, "adder", 0.2, 0.1)))
    assert result.verdict.problems == ["cut undoable: it could not be done: the disk could not be filled"]
    assert result.verdict.acknowledged > 100
    assert result.evidence.happened[1].recovered


def test_what_cannot_be_taken_back_is_tried_again() -> None:
    """Late is not never: the run waits for it, and finds nothing wrong."""
    result = _run(FakePipeline(refusals=3), (Fault(1, Kind.CUT, "adder", 0.1, 0.1),))
    assert (result.verdict.exact, result.verdict.problems) == (True, [])


def test_what_is_never_taken_back_is_a_problem() -> None:
    """The time for recovery is over, and the verdict says what is left broken."""
    result = _run(FakePipeline(refusals=10**9), (Fault(1, Kind.CUT, "adder", 0.1, 0.1),), settle_s=0.5)
    assert not result.verdict.exact
    assert "cut adder: it could not be taken back: the disk could not be given its room back" in result.verdict.problems
    assert result.verdict.acknowledged > 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_everything_is_taken_back_whatever_happens(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in the middle of a fault, the run takes it back before it ends, and its clients end too."""
    pipeline = FakePipeline()

    class Interrupting(Heard):
        def began(self, happened: object) -> None:
            assert pipeline.away == {"adder"}
            raise error

    with pytest.raises(error):
        run(pipeline, PLAN, 1.2, Interrupting(), rate=2000, doors_of=pipeline.doors)
    assert pipeline.away == set()
