"""What a run came to: the clients' books against the outbox, the outbox against the totalizer; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sumflow.audit.findings import Finding, Kind, Report
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
        failed: what was tried with it in vain; empty if nothing was. Unlike what is not there at the moment, which is a
            matter of chance, it is a problem.
        accepted_after_s: how long after its end every client had something acknowledged that it began since.
        counted_after_s: how long after its end the total included all that was acknowledged by then.
    """

    fault: Fault
    began_s: float
    ended_s: float | None = None
    acknowledged: int = 0
    not_done: str = ""
    failed: str = ""
    accepted_after_s: float | None = None
    counted_after_s: float | None = None

    @property
    def recovered(self) -> bool:
        """Whether additions are accepted and counted again, or were never disturbed."""
        return bool(self.not_done) or None not in (self.accepted_after_s, self.counted_after_s)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What could be seen after everything had settled; None is what could not.

    Args:
        stored: how often each addition of this run is in the outbox, by its x.
        audit: the audit, lane by lane.
        events: the audit event by event.
        unseen: what could not be looked at, and why.
    """

    stored: Mapping[int, int] | None
    audit: Report | None
    events: Report | None
    unseen: Sequence[str] = ()

    @property
    def findings(self) -> list[Finding]:
        """What both audits found."""
        return [finding for report in (self.audit, self.events) if report for finding in report.findings]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a verdict rests on.

    Args:
        books: the clients'.
        before: the audit before the load.
        outcome: what is there after it.
        happened: the faults.
        samples: what the reader saw.
        steps_back: where the total went back.
        unsettled: what was still not as it should be when the time for settling was over.
        load_s: how long the load lasted.
    """

    books: Sequence[Book]
    before: Report
    outcome: Outcome
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
    uncertain_counted: int | None = None
    """Of these, what is stored and counted, rightly; None where the outbox could not be read."""
    counted: int | None = None
    """What the totalizer counted of this run; None where it cannot be known."""
    others: int = 0
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
    verdict = Verdict(
        acknowledged=sum(book.acknowledged for book in evidence.books),
        uncertain=sum(len(book.uncertain) for book in evidence.books),
        longest_unavailability_s=longest_gap(evidence.books, evidence.load_s),
    )
    outcome = evidence.outcome
    if outcome.stored is not None:
        _against_the_outbox(evidence.books, outcome.stored, verdict)
        if outcome.audit:
            _against_the_total(evidence.before, outcome.audit, sum(outcome.stored.values()), verdict)
    _audited(outcome.findings, verdict)
    verdict.problems += [f"not judged: {unseen}" for unseen in outcome.unseen]
    verdict.problems += [f"{book.client}: {wrong}" for book in evidence.books for wrong in book.wrong]
    verdict.problems += evidence.steps_back
    verdict.problems += [f"{each.fault}: {each.failed}" for each in evidence.happened if each.failed]
    verdict.problems += [_not_recovered(each) for each in evidence.happened if not each.recovered]
    if evidence.unsettled:
        verdict.problems.append(f"not settled: {evidence.unsettled}")
    return verdict


def _against_the_outbox(books: Sequence[Book], stored: Mapping[int, int], verdict: Verdict) -> None:
    """Everything acknowledged is stored, and nothing more often than once."""
    verdict.uncertain_counted = sum(x in stored for book in books for x in book.uncertain)
    lost = [(book, x) for book in books for x in book.known() if x not in stored]
    doubled = [(x, times) for x, times in stored.items() if times > 1]
    verdict.lost += len(lost)
    verdict.doubled += sum(times - 1 for _, times in doubled)
    verdict.problems += [
        f"lost: addition {x - book.first + 1} of {book.client} was acknowledged and is not stored (x = {x})"
        for book, x in islice(lost, NAMED)
    ]
    verdict.problems += [f"doubled: x = {x} is stored {times} times" for x, times in islice(doubled, NAMED)]


def _against_the_total(before: Report, after: Report, stored: int, verdict: Verdict) -> None:
    """The totalizer counted what is stored; its total moved by one for each."""
    verdict.others = after.accepted - before.accepted - stored
    verdict.counted = after.counted - before.counted - verdict.others
    missing = stored - verdict.counted
    verdict.lost += max(missing, 0)
    verdict.doubled += max(-missing, 0)
    if missing:
        verdict.problems.append(f"{stored} additions are stored, and {verdict.counted} counted")
    moved = after.total - before.total
    if not verdict.others and moved != verdict.counted:
        verdict.problems.append(f"the total moved by {moved}, for {verdict.counted} additions of 1")


def _audited(findings: Sequence[Finding], verdict: Verdict) -> None:
    """Say what the audits found; that something is lost or doubled counts as one, where it is not known how much."""
    verdict.problems += [f"{each.kind}: {each.subject}: {each.detail}" for each in findings[:NAMED]]
    kinds = {each.kind for each in findings}
    verdict.lost = verdict.lost or int(Kind.LOST in kinds)
    verdict.doubled = verdict.doubled or int(Kind.DOUBLED in kinds)


def _not_recovered(happened: Happened) -> str:
    what = "accepted" if happened.accepted_after_s is None else "counted"
    return f"after {happened.fault} at {happened.began_s:.1f} s, not everything was {what} again"
