"""The waiting loop: what it waits for, what it says meanwhile, when it gives up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sumflow.errors import StepError
from sumflow.steps import NotYet, Readiness, Ready, Step, run, run_side_by_side


class Clock:
    """A clock that moves only when somebody pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def started(self, step: str) -> None:
        """Remember the start."""
        self.heard.append(("started", step))

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Remember the reason."""
        self.heard.append(("waiting", step, reason))

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Remember the evidence."""
        self.heard.append(("done", step, evidence))


def _step(name: str, answers: list[Readiness], within_s: float = 1.0, acts: list[str] | None = None) -> Step:
    remaining = iter(answers)
    return Step(name, lambda: (acts if acts is not None else []).append(name), lambda: next(remaining), within_s)


def test_steps_run_in_order_and_each_waits_for_its_condition() -> None:
    """A step acts once, is asked until it is ready, and only then does the next one act."""
    clock, reporter, acts = Clock(), Recorder(), list[str]()
    first = _step("a", [NotYet("no pod"), NotYet("pod is starting"), Ready("3 of 3")], acts=acts)
    run([first, _step("b", [Ready()], acts=acts)], reporter, clock=clock, pause=clock.pause)
    assert acts == ["a", "b"]
    assert reporter.heard == [
        ("started", "a"),
        ("waiting", "a", "no pod"),
        ("waiting", "a", "pod is starting"),
        ("done", "a", "3 of 3"),
        ("started", "b"),
        ("done", "b", ""),
    ]


def test_a_late_step_fails_with_what_it_last_said() -> None:
    """When the time is over the error names the step and its last reason; later steps never act."""
    clock, acts = Clock(), list[str]()
    late = _step("kafka", [NotYet("1 of 3 brokers")] * 100, within_s=2.0, acts=acts)
    with pytest.raises(StepError) as failure:
        run([late, _step("topic", [Ready()], acts=acts)], Recorder(), clock=clock, pause=clock.pause)
    assert failure.value.what == "kafka: not ready after 2 s"
    assert failure.value.why == "1 of 3 brokers"
    assert acts == ["kafka"]


def test_a_condition_that_holds_at_the_last_moment_counts() -> None:
    """Readiness is asked once more after the last pause, so being slow is not being late."""
    clock = Clock()
    step = _step("a", [NotYet("soon"), Ready("there")], within_s=0.03)
    reporter = Recorder()
    run([step], reporter, clock=clock, pause=clock.pause)
    assert reporter.heard[-1] == ("done", "a", "there")


def test_the_limit_begins_when_the_act_is_done() -> None:
    """A slow act (a database is made on a slow disk) does not take from the time that readiness has."""
    clock, reporter = Clock(), Recorder()
    slow = replace(_step("postgres", [NotYet("starting"), Ready()], within_s=1.0), act=lambda: clock.pause(60))
    run([slow], reporter, clock=clock, pause=clock.pause)
    assert [heard[0] for heard in reporter.heard] == ["started", "waiting", "done"]


def test_steps_that_do_not_need_each_other_run_side_by_side() -> None:
    """A slow step does not hold up one that does not come after it; one that does waits for all it comes after."""
    clock, acts = Clock(), list[str]()
    slow = _step("kafka", [NotYet("starting")] * 3 + [Ready()], acts=acts)
    quick = _step("postgres", [Ready()], acts=acts)
    last = replace(_step("services", [Ready()], acts=acts), after=("kafka", "postgres"))
    reporter = Recorder()
    run_side_by_side([last, slow, quick], reporter, clock=clock, pause=clock.pause)
    assert acts == ["kafka", "postgres", "services"]
    assert [heard[:2] for heard in reporter.heard if heard[0] == "done"] == [
        ("done", "postgres"),
        ("done", "kafka"),
        ("done", "services"),
    ]


def test_one_failure_ends_all() -> None:
    """When one step is late, what comes after it never acts."""
    clock, acts = Clock(), list[str]()
    late = _step("kafka", [NotYet("1 of 3")] * 100, within_s=1, acts=acts)
    after = replace(_step("topic", [Ready()], acts=acts), after=("kafka",))
    with pytest.raises(StepError, match="kafka: not ready"):
        run_side_by_side([late, after], Recorder(), clock=clock, pause=clock.pause)
    assert acts == ["kafka"]


def test_a_circle_is_an_error_and_not_a_wait_for_ever() -> None:
    """Steps that wait for each other can never begin."""
    clock = Clock()
    with pytest.raises(ValueError, match="a, b"):
        run_side_by_side(
            [replace(_step("a", []), after=("b",)), replace(_step("b", []), after=("a",))],
            Recorder(),
            clock=clock,
            pause=clock.pause,
        )
