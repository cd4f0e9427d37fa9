"""One run from beginning to end: the audit before, the load and the faults, the settling, the audit after."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sumflow import steps
from sumflow.audit.compare import compare
from sumflow.audit.findings import Report
from sumflow.chaos.conduct import Conductor, Reporter
from sumflow.chaos.doors import Doors, NetworkDoors
from sumflow.chaos.faults import Fault
from sumflow.chaos.load import RATE, Load
from sumflow.chaos.target import Books, Target
from sumflow.chaos.verdict import Evidence, Outcome, Verdict, judge
from sumflow.chaos.watch import Watch
from sumflow.client.endpoints import Endpoints
from sumflow.errors import StepError, SumflowError

SETTLE_S: Final = 120.0
"""How long the system may take to recover from the last fault, and again to count everything."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run; the evidence has what the picture shows."""

    verdict: Verdict
    evidence: Evidence


def run(
    target: Target,
    plan: Sequence[Fault],
    duration_s: float,
    reporter: Reporter,
    *,
    rate: float = RATE,
    settle_s: float = SETTLE_S,
    doors_of: Callable[[Endpoints], Doors] = NetworkDoors,
) -> Result:
    """Break a system as planned, under load, and judge what it cost.

    Raises:
        SumflowError: it could not be begun. A fault that cannot be done or taken back, and what cannot be looked at any
            more afterwards, are no errors, but parts of the verdict.
    """
    doors = doors_of(target.endpoints())
    with target.books() as books:
        before = compare(books.cut())
        zero_s = time.monotonic()

        def clock() -> float:
            return time.monotonic() - zero_s

        load = Load(doors, rate, clock)
        watch = Watch(doors, before.total, lambda: load.acknowledged, clock)
        conductor = Conductor(target, plan, load.books, watch.samples, reporter, clock)
        with watch:
            with load:
                conductor.run(duration_s, settle_s)
                load_s = clock()
            unsettled = _settle(target, doors, books, reporter, settle_s)
        evidence = Evidence(
            books=load.books,
            before=before,
            outcome=_look(books, load.bounds),
            happened=conductor.happened,
            samples=watch.samples,
            steps_back=watch.steps_back,
            unsettled=unsettled,
            load_s=load_s,
        )
    return Result(judge(evidence), evidence)


def _look(books: Books, bounds: tuple[int, int]) -> Outcome:
    """Look at everything that can be looked at; what broke for good keeps nobody from judging the rest."""
    unseen: list[str] = []

    def seen(what: str, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except SumflowError as error:
            unseen.append(f"{what}: {error.in_a_line}")
            return None

    stored = seen("what is stored of the clients' additions", lambda: books.occurrences(*bounds))
    audit = seen("the audit", lambda: compare(books.cut()))
    events = seen("the audit event by event", lambda: books.deep(lambda count: None))
    return Outcome(stored, audit, events, unseen)


def _settle(target: Target, doors: Doors, books: Books, reporter: Reporter, within_s: float) -> str:
    """Wait until everything is well and counted; return what is not when the time is over, nothing if all is."""
    step = steps.Step("everything counted", lambda: None, lambda: _settled(target, doors, books), within_s)
    try:
        steps.run([step], _Settling(reporter))
    except StepError as error:
        return error.why
    return ""


def _settled(target: Target, doors: Doors, books: Books) -> steps.Readiness:
    try:
        if problem := target.problem():
            return steps.NotYet(problem)
        report = compare(books.cut())
        with doors.totals() as totals:
            total = totals.total()
    except SumflowError as error:
        return steps.NotYet(error.in_a_line)
    return _counted(report, total)


def _counted(report: Report, total: int) -> steps.Readiness:
    if report.findings:
        first = report.findings[0]
        return steps.NotYet(f"{first.kind}: {first.subject}: {first.detail}")
    if report.lag:
        return steps.NotYet(f"{report.lag} additions are accepted and not counted yet")
    if total != report.total:
        return steps.NotYet(f"the totalizer answers {total}, its database has {report.total}")
    return steps.Ready()


class _Settling(steps.Silent):
    """Passes on what is waited for."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Pass it on."""
        del step
        self._reporter.settling(reason, elapsed_s)
