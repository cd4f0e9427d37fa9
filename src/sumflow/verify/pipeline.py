"""The check of the product's promise: an accepted sum moves the total by itself, once, however often it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from sumflow.audit.compare import compare
from sumflow.client.adder import Adder
from sumflow.client.totals import Totals
from sumflow.verify.check import Check, CheckFailedError, Hint, Passed, Verdict
from sumflow.verify.target import Target

CATEGORY: Final = "pipeline"
_TRIALS: Final = 3
_FINDINGS_SHOWN: Final = 3
_COUNTED_WITHIN_S: Final = 15.0
"""Right after a deployment the consumer group is still settling: that takes some seconds, and is no failure."""


def checks(target: Target) -> list[Check]:
    """Return the checks of the pipeline."""
    logs = target.commands.logs
    return [
        Check(
            CATEGORY,
            "a sum moves the total exactly once",
            "this is what SumFlow is for",
            Hint(f"`{logs['relay']}` and `{logs['totalizer']}` show where it waits", "the-total-does-not-move"),
            45,
            lambda: moves_once(target),
        ),
        Check(
            CATEGORY,
            "every accepted sum is counted exactly once",
            "a difference between the two databases is a sum that is lost, doubled or altered",
            Hint(f"`{target.commands.audit}` names what differs", "the-audit-finds-a-difference"),
            60,
            lambda: audited(target),
        ),
    ]


def audited(target: Target) -> Verdict:
    """Compare both services' books, lane by lane."""
    with target.books() as books:
        report = compare(books.cut())
    if not report.clean:
        told = [f"{each.kind}: {each.subject}: {each.detail}" for each in report.findings[:_FINDINGS_SHOWN]]
        more = len(report.findings) + report.more - len(told)
        raise CheckFailedError("; ".join(told) + (f"; and {more} more" if more else ""))
    lag = f", {report.lag} on their way" if report.lag else ""
    return Passed(f"{report.accepted} accepted and {report.counted} counted in all lanes{lag}; the databases agree")


@dataclass(frozen=True, slots=True)
class Trial:
    """One addition of 1, sent twice under one id: by how much the total moved while it was watched."""

    total_before: int
    total_after: int

    @property
    def moved(self) -> int:
        """How far the total moved."""
        return self.total_after - self.total_before


def moves_once(target: Target) -> Verdict:
    """Add 1, send it again under the same id, look at the total, take it back; again if others add meanwhile."""
    endpoints = target.endpoints()
    trials: list[Trial] = []
    with ExitStack() as stack:
        adder = stack.enter_context(Adder(endpoints.adder, patience_s=5.0))
        totals = stack.enter_context(Totals(endpoints.totalizer_url))
        while len(trials) < _TRIALS and not (trials and trials[-1].moved == 1):
            trials.append(_try_once(adder, totals))
    return judge(trials)


def judge(trials: Sequence[Trial]) -> Verdict:
    """Say what the trials prove; each has been answered alike the second time, or there would be none."""
    moves = [trial.moved for trial in trials]
    if moves[-1] == 1:
        last = trials[-1]
        return Passed(f"1 + 0 sent twice under one id: {last.total_before} -> {last.total_after}, then taken back")
    if len(set(moves)) == 1:
        raise CheckFailedError(f"1 + 0 moved the total by {moves[0]}, {len(moves)} times out of {len(moves)}")
    moved = ", ".join(f"{move:+d}" for move in moves)
    return Passed(f"counted, and the second sending was answered from memory; others add too (total moved by {moved})")


def _try_once(adder: Adder, totals: Totals) -> Trial:
    request_id = f"verify-{uuid.uuid4()}"
    before = totals.total()
    first = adder.add(1, 0, request_id)
    try:
        second = adder.add(1, 0, request_id)
        if second != first:
            raise CheckFailedError(f"the same request got two places: {first.position} and {second.position}")
        _await(totals, first.position)
        after = totals.total()
    finally:
        taken_back = adder.add(-1, 0)
    _await(totals, taken_back.position)
    return Trial(before, after)


def _await(totals: Totals, position: str) -> None:
    if totals.including(position, _COUNTED_WITHIN_S) is None:
        raise CheckFailedError(f"accepted at {position}, and not in the total after {_COUNTED_WITHIN_S:.0f} s")
