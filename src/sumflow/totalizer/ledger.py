"""The one transaction in which a batch becomes part of the total: marks, total and offsets, together or not at all.

The caller owns the connection and the transaction; whatever goes wrong in here, nothing of the batch has happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from sumflow.database import array_of_numbers, array_of_texts, newest_migration, queries
from sumflow.sums.totals import Tallies, tally
from sumflow.totalizer.fold import Acknowledged, LaneFold, acknowledged, distinct, fold
from sumflow.totalizer.records import Batch, ForeignEvent, LaneEvent, Poison

_sql: Final = queries("sumflow.totalizer")


class OwnershipLostError(Exception):
    """Another consumer has moved a partition's next offset: it is not ours any more, nothing was written."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a batch comes from: what its transaction compares, and what it sets."""

    topic: str
    topic_id: UUID
    positions: Mapping[int, int]
    """The next offset of each partition before the batch."""
    end_offsets: Mapping[int, int]
    """Where the partitions end, as far as known."""


@dataclass(slots=True)
class Outcome:
    """What a batch came to."""

    counted: int = 0
    sum: int = 0
    named: Tallies = field(default_factory=dict)
    """What of these two is in named totals."""
    duplicates: int = 0
    parked: int = 0
    unparked: int = 0
    """Rows that left the parked ones."""
    settled: int = 0
    """Of these, the events that count now, because the gap before them closed."""
    dead_letters: int = 0
    probes: int = 0
    acknowledged: list[Acknowledged] = field(default_factory=list)
    """When the additions that count now were acknowledged."""


def record_batch(connection: Connection[TupleRow], batch: Batch, reading: Reading) -> Outcome:
    """Write a batch within the caller's transaction.

    Raises:
        OwnershipLostError: the stored offsets are not those that the batch was read from.
        psycopg.Error: the database refused or went away.
    """
    outcome = Outcome(probes=batch.probes, dead_letters=len(batch.poison))
    _lock_offsets(connection, batch, reading)
    _count_lanes(connection, batch.lanes, reading.topic, outcome)
    _count_foreign(connection, batch.foreign, outcome)
    _bury(connection, batch.poison, reading)
    _count_named(connection, _sql.count_named, outcome.named)
    _finish(connection, batch, reading, outcome)
    return outcome


def _lock_offsets(connection: Connection[TupleRow], batch: Batch, reading: Reading) -> None:
    expected = [(partition, reading.positions[partition], reading.topic_id) for partition in sorted(batch.next_offsets)]
    partitions = [partition for partition, _, _ in expected]
    asked = {"topic": reading.topic, "partitions": partitions, "schema": newest_migration("sumflow.totalizer")}
    found = connection.execute(_sql.lock_offsets, asked).fetchall()
    if found != expected:
        raise OwnershipLostError(f"{reading.topic}: expected {expected}, found {found}")


def _count_lanes(
    connection: Connection[TupleRow], lanes: Mapping[UUID, list[LaneEvent]], topic: str, outcome: Outcome
) -> None:
    if not lanes:
        return
    held = _lock_lanes(connection, lanes, topic)
    folds = fold({lane: mark for lane, (mark, _) in held.items()}, lanes)
    changes = {lane: _Change.of(folded) for lane, folded in folds.items()}
    for lane, folded in folds.items():
        read = lanes[lane]
        outcome.duplicates += folded.duplicates
        _include(outcome.named, folded.named)
        if folded.count == len(read):
            outcome.acknowledged.extend(acknowledged(event.event for event in read))
        else:
            counted = (e.event for e in read if folded.mark - folded.count < e.seq <= folded.mark)
            outcome.acknowledged.extend(acknowledged(counted))
    _park(connection, folds, topic, changes, outcome)
    _unpark(connection, {lane for lane, (_, parked) in held.items() if parked}, changes, outcome)
    _advance(connection, changes, outcome)


@dataclass(slots=True)
class _Change:
    """What becomes of a lane's row."""

    mark: int
    count: int
    sum: int
    parked: int = 0

    @classmethod
    def of(cls, folded: LaneFold) -> _Change:
        return cls(folded.mark, folded.count, folded.sum)


def _lock_lanes(
    connection: Connection[TupleRow], lanes: Mapping[UUID, list[LaneEvent]], topic: str
) -> dict[UUID, tuple[int, int]]:
    asked = {"lanes": list(lanes)}
    rows = connection.execute(_sql.lock_lanes, asked).fetchall()
    if len(rows) < len(lanes):
        known = {row[0] for row in rows}
        new = {lane: events[0].partition for lane, events in lanes.items() if lane not in known}
        opened = {"topic": topic, "lanes": list(new), "partitions": list(new.values())}
        connection.execute(_sql.open_lanes, opened)
        rows = connection.execute(_sql.lock_lanes, asked).fetchall()
    return {lane: (mark, parked) for lane, mark, parked in rows}


def _park(
    connection: Connection[TupleRow],
    folds: Mapping[UUID, LaneFold],
    topic: str,
    changes: Mapping[UUID, _Change],
    outcome: Outcome,
) -> None:
    ahead = [(lane, event) for lane, folded in folds.items() for event in folded.ahead]
    if not ahead:
        return
    columns: dict[str, Any] = {
        "topic": topic,
        "lanes": [lane for lane, _ in ahead],
        "seqs": [e.seq for _, e in ahead],
        "xs": [e.event.payload.x for _, e in ahead],
        "ys": [e.event.payload.y for _, e in ahead],
        "results": [e.event.payload.result for _, e in ahead],
        "created_ats": [e.event.created_at for _, e in ahead],
        "partitions": [e.partition for _, e in ahead],
        "offsets": [e.offset for _, e in ahead],
        "totals": [e.total for _, e in ahead],
    }
    kept: dict[UUID, int] = dict(connection.execute(_sql.park, columns).fetchall())
    for lane, count in kept.items():
        changes[lane].parked += count
    outcome.parked = sum(kept.values())
    outcome.duplicates += len(ahead) - outcome.parked


def _unpark(
    connection: Connection[TupleRow], lanes: Iterable[UUID], changes: Mapping[UUID, _Change], outcome: Outcome
) -> None:
    moved = [lane for lane in lanes if changes[lane].count]
    if not moved:
        return
    asked = {"lanes": moved, "marks": [changes[lane].mark for lane in moved]}
    oldest: datetime | None
    for lane, last, name, count, total, gone, oldest in connection.execute(_sql.unpark, asked):
        change = changes[lane]
        change.mark, change.count, change.sum = last, change.count + count, change.sum + int(total)
        change.parked -= gone
        outcome.unparked += gone
        outcome.settled += count
        if name and count:
            tally(outcome.named, name, count, int(total))
        if oldest:
            outcome.acknowledged.append(Acknowledged(oldest, count))


def _advance(connection: Connection[TupleRow], changes: Mapping[UUID, _Change], outcome: Outcome) -> None:
    moved = {lane: change for lane, change in changes.items() if change.count or change.parked}
    if not moved:
        return
    columns = {
        "lanes": list(moved),
        "marks": [change.mark for change in moved.values()],
        "counts": [change.count for change in moved.values()],
        "sums": [Decimal(change.sum) for change in moved.values()],
        "parked": [change.parked for change in moved.values()],
    }
    connection.execute(_sql.advance_lanes, columns)
    outcome.counted += sum(change.count for change in moved.values())
    outcome.sum += sum(change.sum for change in moved.values())


def _count_foreign(connection: Connection[TupleRow], foreign: list[ForeignEvent], outcome: Outcome) -> None:
    if not foreign:
        return
    events = distinct(foreign)
    day = connection.execute(_sql.hold_day).fetchall()[0][0]
    new = connection.execute(_sql.remember_events, {"day": day, "event_ids": list(events)}).fetchall()
    counted = [events[event_id] for (event_id,) in new]
    brought = sum(read.event.payload.result for read in counted)
    named: Tallies = {}
    for read in counted:
        if read.total:
            tally(named, read.total, 1, read.event.payload.result)
    _count_named(connection, _sql.count_named_foreign, named)
    _include(outcome.named, named)
    if counted:
        connection.execute(_sql.count_foreign, {"count": len(counted), "sum": Decimal(brought)})
    outcome.counted += len(counted)
    outcome.sum += brought
    outcome.duplicates += len(foreign) - len(counted)
    outcome.acknowledged.extend(acknowledged(read.event for read in counted))


def _include(named: Tallies, more: Tallies) -> None:
    if not named:
        named.update(more)  # a batch of one lane, most often: nothing to add up
        return
    for name, brought in more.items():
        tally(named, name, brought.count, brought.sum)


def _count_named(connection: Connection[TupleRow], query: str, named: Tallies) -> None:
    if named:
        columns = {
            "names": array_of_texts(named),
            "counts": array_of_numbers(brought.count for brought in named.values()),
            "sums": array_of_numbers(brought.sum for brought in named.values()),
        }
        connection.execute(query, columns)


def _bury(connection: Connection[TupleRow], poison: list[Poison], reading: Reading) -> None:
    if not poison:
        return
    columns: dict[str, Any] = {
        "topic": reading.topic,
        "topic_ids": [reading.topic_id] * len(poison),
        "partitions": [p.partition for p in poison],
        "offsets": [p.offset for p in poison],
        "keys": [p.key for p in poison],
        "values": [p.value for p in poison],
        "sizes": [p.value_bytes for p in poison],
        "headers": [json.dumps(p.headers) for p in poison],
        "reasons": [p.reason for p in poison],
        "lanes": [p.lane for p in poison],
        "seqs": [p.seq for p in poison],
    }
    connection.execute(_sql.bury, columns)


def _finish(connection: Connection[TupleRow], batch: Batch, reading: Reading, outcome: Outcome) -> None:
    partitions = sorted(batch.next_offsets)
    columns: dict[str, Any] = {
        "topic": reading.topic,
        "partitions": partitions,
        "next_offsets": [batch.next_offsets[partition] for partition in partitions],
        "end_offsets": [reading.end_offsets.get(partition, 0) for partition in partitions],
        "dead_letters": [sum(p.partition == partition for p in batch.poison) for partition in partitions],
        "count": outcome.counted - sum(brought.count for brought in outcome.named.values()),
        "sum": Decimal(outcome.sum - sum(brought.sum for brought in outcome.named.values())),
    }
    connection.execute(_sql.finish, columns)
    connection.execute(_sql.announce)
