"""Decides what of a batch counts: each event of a lane once, in the order of its seq; pure.

`seq <= mark` is a duplicate, `seq == mark + 1` counts, anything further is ahead and waits until
the gap before it closes. What is ahead within one batch is settled here; what remains is parked in the database,
where the ledger settles it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

from sumflow.sums.event import Event
from sumflow.sums.totals import Tallies, tally
from sumflow.totalizer.records import ForeignEvent, LaneEvent


@dataclass(frozen=True, slots=True)
class LaneFold:
    """What one batch does to one lane."""

    mark: int
    """The new high-water mark."""
    sum: int
    """Of the results that count now."""
    count: int
    duplicates: int
    ahead: tuple[LaneEvent, ...]
    """What must be parked."""
    named: Tallies = field(default_factory=dict)
    """What of `count` and `sum` is in named totals."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Additions that were acknowledged at the same moment, as those of one commit were."""

    at: datetime
    count: int


def fold_lane(mark: int, events: Iterable[LaneEvent]) -> LaneFold:
    """Fold a lane's events of one batch, in the order in which they were read, onto its mark."""
    start, total, duplicates = mark, 0, 0
    ahead: dict[int, LaneEvent] = {}
    named: Tallies = {}
    for read in events:
        if read.seq == mark + 1:
            counted: LaneEvent | None = read
            while counted is not None:
                mark, total = counted.seq, total + counted.event.payload.result
                if counted.total:
                    tally(named, counted.total, 1, counted.event.payload.result)
                counted = ahead.pop(mark + 1, None)
        elif read.seq <= mark or read.seq in ahead:
            duplicates += 1
        else:
            ahead[read.seq] = read
    return LaneFold(mark, total, mark - start, duplicates, tuple(ahead.values()), named)


def fold(marks: Mapping[UUID, int], lanes: Mapping[UUID, Iterable[LaneEvent]]) -> dict[UUID, LaneFold]:
    """Fold the lanes of one batch onto their marks; every lane has a mark."""
    return {lane: fold_lane(marks[lane], events) for lane, events in lanes.items()}


def distinct(foreign: Iterable[ForeignEvent]) -> dict[UUID, ForeignEvent]:
    """Return the first event of each id, in the order of the ids, so that transactions lock them in one order."""
    first: dict[UUID, ForeignEvent] = {}
    for read in foreign:
        first.setdefault(read.event.event_id, read)
    return dict(sorted(first.items()))


def acknowledged(events: Iterable[Event]) -> Iterator[Acknowledged]:
    """Group neighbours of one moment, so that latencies are observed once a commit and not once an event."""
    for moment, group in groupby(events, lambda event: event.created_at):
        yield Acknowledged(moment if moment.tzinfo else moment.replace(tzinfo=UTC), sum(1 for _ in group))
