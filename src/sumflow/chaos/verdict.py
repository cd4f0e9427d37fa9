"""What a run came to: the clients' books against the outbox, the outbox against the totalizer; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sumflow.audit.findings import Kind, Report
from sumflow.chaos.book import Book, Sample, longest_gap
from sumflow.chaos.faults import Fault

NAMED: Final = 20
"""Lost and doubled additions that are named; the others are only counted."""


@dataclass(slots=True)
class Happened:
    """A fault as it was carried out; moments in seconds from the beginning of the load.

    Args:
        fault: what was planned.
        began_s: when it was done.
        ended_s: when it was taken back.
        acknowledged: the additions that were acknowledged by then.
        not_done: why it was not done; empty if it was.
        accepted_after_s: how long after its end every client had something acknowledged that it began since.
        counted_after_s: how long after its end the total included all that was acknowledged by then.
    """

    fault: Fault
    began_s: float
    ended_s: float | None = None
    acknowledged: int = 0
    not_done: str = ""
    accepted_after_s: float | None = None
    counted_after_s: float | None = None

    @property
    def recovered(self) -> bool:
        """Whether additions are accepted and counted again, or were never disturbed."""
        return bool(self.not_done) or None not in (self.accepted_after_s, self.counted_after_s)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a verdict rests on.

    Args:
        books: the clients'.
        stored: how often each addition of this run is in the outbox, by its x.
        before: the audit before the load.
        after: the audit after everything had settled, events included.
        happened: the faults.
        samples: what the reader saw.
        steps_back: where the total went back.
        unsettled: what was still not as it should be when the time for settling was over.
        load_s: how long the load lasted.
    """

    books: Sequence[Book]
    stored: Mapping[int, int]
    before: Report
    after: Report
    happened: Sequence[Happened]
    samples: Sequence[Sample]
    steps_back: Sequence[str] = ()
    unsettled: str = ""
    load_s: float = 0.0


@dataclass(slots=True)
class Verdict:
    """What a run came to; numbers are additions."""

    acknowledged: int
    uncertain: int
    """Sent without a request id, and not answered."""
    uncertain_counted: int
    """Of these, what is stored and counted, rightly."""
    counted: int
    """What the totalizer counted of this run."""
    others: int
    """What others added meanwhile."""
    lost: int = 0
    doubled: int = 0
    longest_unavailability_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    """Everything that must not be, in words."""

    @property
    def exact(self) -> bool:
        """Whether every acknowledged addition counts once, none twice, and everything recovered."""
        return not (self.lost or self.doubled or self.problems)


def judge(evidence: Evidence) -> Verdict:
    """Say what the evidence comes to."""
    stored = sum(evidence.stored.values())
    others = evidence.after.accepted - evidence.before.accepted - stored
    verdict = Verdict(
        acknowledged=sum(book.acknowledged for book in evidence.books),
        uncertain=sum(len(book.uncertain) for book in evidence.books),
        uncertain_counted=sum(evidence.stored.get(x, 0) > 0 for book in evidence.books for x in book.uncertain),
        counted=evidence.after.counted - evidence.before.counted - others,
        others=others,
        longest_unavailability_s=longest_gap(evidence.books, evidence.load_s),
    )
    _against_the_outbox(evidence, verdict)
    _against_the_total(evidence, stored, verdict)
    verdict.problems += [f"{book.client}: {wrong}" for book in evidence.books for wrong in book.wrong]
    verdict.problems += evidence.steps_back
    verdict.problems += [_not_recovered(each) for each in evidence.happened if not each.recovered]
    if evidence.unsettled:
        verdict.problems.append(f"not settled: {evidence.unsettled}")
    return verdict


def _against_the_outbox(evidence: Evidence, verdict: Verdict) -> None:
    """Everything acknowledged is stored, and nothing more often than once."""
    lost = [(book, x) for book in evidence.books for x in book.known() if x not in evidence.stored]
    doubled = [(x, times) for x, times in evidence.stored.items() if times > 1]
    verdict.lost += len(lost)
    verdict.doubled += sum(times - 1 for _, times in doubled)
    verdict.problems += [
        f"lost: addition {x - book.first + 1} of {book.client} was acknowledged and is not stored (x = {x})"
        for book, x in islice(lost, NAMED)
    ]
    verdict.problems += [f"doubled: x = {x} is stored {times} times" for x, times in islice(doubled, NAMED)]


def _against_the_total(evidence: Evidence, stored: int, verdict: Verdict) -> None:
    """The totalizer counted what is stored; its total moved by one for each."""
    missing = stored - verdict.counted
    verdict.lost += max(missing, 0)
    verdict.doubled += max(-missing, 0)
    if missing:
        verdict.problems.append(f"{stored} additions are stored, and {verdict.counted} counted")
    moved = evidence.after.total - evidence.before.total
    if not verdict.others and moved != verdict.counted:
        verdict.problems.append(f"the total moved by {moved}, for {verdict.counted} additions of 1")
    found = islice(evidence.after.findings, NAMED)
    verdict.problems += [f"{each.kind}: {each.subject}: {each.detail}" for each in found]
    if not verdict.lost and any(each.kind is Kind.LOST for each in evidence.after.findings):
        verdict.lost = 1
    if not verdict.doubled and any(each.kind is Kind.DOUBLED for each in evidence.after.findings):
        verdict.doubled = 1


def _not_recovered(happened: Happened) -> str:
    what = "accepted" if happened.accepted_after_s is None else "counted"
    return f"after {happened.fault} at {happened.began_s:.1f} s, not everything was {what} again"
