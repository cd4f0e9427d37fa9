"""The output of `verify`, held by golden files: read them to see what people see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sumflow.audit.facts import Counted
from sumflow.cli import checklist
from sumflow.sums.totals import Tally
from sumflow.verify import infrastructure, pipeline
from sumflow.verify.check import NotApplicable, Outcome, Result, run_all
from sumflow.verify.target import Broker
from tests.client.pipeline import Pipeline, serving
from tests.verify.fake import CLEAN, FOLLOWER, LANE, FakeTarget

GOLDEN = Path(__file__).parent / "golden"
MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_APPLICABLE: "-"}


def _run(target: FakeTarget) -> list[Result]:
    with serving(Pipeline(total=40)) as target.doors:
        results = list(run_all([*infrastructure.checks(target), *pipeline.checks(target)]))
    return [replace(result, elapsed_s=0.02) for result in results]


def _drawn(results: list[Result]) -> str:
    lines = [line for result in results for line in checklist.lines(result, lambda outcome: MARKS[Outcome(outcome)])]
    return "\n".join([*lines, "", checklist.summary(results), ""])


def _one_machine() -> FakeTarget:
    return FakeTarget("spec", all_namespaces=NotApplicable("one machine has no namespaces"))


def _broken() -> FakeTarget:
    target = FakeTarget("spec", all_namespaces=["sumflow"], version="15.9", route_problem="Connection refused")
    target.brokers[1] = Broker(1, "127.0.0.1:9093", "Connection refused")
    target.nodes["zookeeper-1"] = FOLLOWER
    target.spoil_echo = True
    target.both = replace(CLEAN, counted={LANE: Counted(41, 41, 821)}, total=Tally(41, 821))
    return target


@pytest.mark.parametrize(("name", "target"), [("healthy.txt", _one_machine()), ("broken.txt", _broken())])
def test_the_checklist_is_drawn_as_in_the_golden_file(name: str, target: FakeTarget) -> None:
    """Every line of the output, for a healthy system and for one in which much is wrong, is as it was agreed."""
    assert _drawn(_run(target)) == (GOLDEN / name).read_text()


def test_the_document_says_the_same_for_programs() -> None:
    """One failed check makes the whole not passed; what does not apply does not."""
    healthy = checklist.document(_run(_one_machine()), "spec")
    assert healthy["passed"]
    assert {check["result"] for check in healthy["checks"]} == {"passed", "not applicable"}
    broken = checklist.document(_run(_broken()), "spec")
    assert not broken["passed"]
    failed = [check for check in broken["checks"] if check["result"] == "failed"]
    assert all(check["evidence"] and check["hint"] and check["page"] for check in failed)
