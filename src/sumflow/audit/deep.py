"""The audit event by event: outbox, topic and totalizer, streamed in batches, in bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from sumflow.audit import outbox
from sumflow.audit.facts import Extent
from sumflow.audit.findings import Kind, Report
from sumflow.audit.reading import SQL, read_accepted
from sumflow.audit.records import Records
from sumflow.audit.topic import Seen, Trail, against_outbox, lane_runs
from sumflow.totalizer.records import Batch, Poison, sort

PARKED_AT_ONCE: Final = 5_000
_FIRST_LANE: Final = UUID(int=0)

Database = Connection[TupleRow]


class Deep:
    """One look at every event.

    Args:
        adder: a session with the adder's database.
        totalizer: a session with the totalizer's.
        topic: the topic between them.
    """

    def __init__(self, adder: Database, totalizer: Database, topic: str) -> None:
        self._adder = adder
        self._totalizer = totalizer
        self._topic = topic
        self._next_offsets: dict[int, int] = {}
        self.report = Report()

    def databases(self) -> None:
        """Compare what the databases keep of each event."""
        outbox.look(self._adder, self.report)
        self._parked()
        self._foreign()

    def records(
        self,
        open_records: Callable[[Mapping[int, Extent]], Records],
        extents: Callable[[], Mapping[int, Extent]],
        progress: Callable[[int], None],
    ) -> None:
        """Compare every record of the topic, from its beginning to where it ends now.

        Args:
            open_records: starts reading the topic between two offsets of each partition.
            extents: asks what the partitions hold.
            progress: hears how many records were compared.
        """
        lanes = read_accepted(self._adder)
        published = {lane: row.published_seq for lane, row in lanes.items() if row.published_seq}
        held = extents()
        self._next_offsets = dict(self._totalizer.execute(SQL.next_offsets, {"topic": self._topic}).fetchall())
        rebuilt: dict[UUID, int] = dict(self._totalizer.execute(SQL.rebuilt).fetchall())
        partitions = {lane: row.partition for lane, row in lanes.items()}
        trail = Trail(self._topic, {p: extent.first for p, extent in held.items()}, rebuilt, partitions)
        figures = self.report.figures = {**self.report.figures, "topic_records": 0, "topic_records_in_outbox": 0}
        with open_records(held) as reading:
            for batch in reading.batches:
                figures["topic_records"] += len(batch)
                figures["topic_records_in_outbox"] += self._batch(sort(batch), trail)
                progress(figures["topic_records"])
        waiting = self._waiting(held, reading.within)
        trail.close({lane: n for lane, n in published.items() if partitions[lane] not in waiting}, self.report)
        figures["topic_repeated"] = trail.repeated
        self.report.notes.extend(trail.repeats)

    def _waiting(self, held: Mapping[int, Extent], within: Mapping[int, Extent]) -> set[int]:
        """Return the partitions whose last records nobody can read yet, and say so."""
        waiting = {p: within[p].end for p in held if within[p].end < held[p].end}
        for partition, end in waiting.items():
            place = f"{self._topic}/{partition}@{end}"
            self.report.notes.append(f"read up to {place}: there a transaction of another producer is open")
        return set(waiting)

    def _batch(self, batch: Batch, trail: Trail) -> int:
        seen = [
            Seen(lane, e.seq, e.event.payload.x, e.event.payload.y, f"{self._topic}/{e.partition}@{e.offset}", e.total)
            for lane, events in batch.lanes.items()
            for e in events
        ]
        # A record that cannot be read still takes its place in the lane; whether it is a dead letter is asked apart.
        places = [(e.partition, e.offset, lane, e.seq) for lane, events in batch.lanes.items() for e in events]
        unreadable = [(p.partition, p.offset, p.lane, p.seq) for p in batch.poison if p.lane and p.seq]
        for partition, offset, lane, seq in sorted([*places, *unreadable]):
            trail.follow(lane, seq, partition, offset, self.report)
        self._passed_over([place for place in places if self._is_read(*place[:2])])
        self._unburied([each for each in batch.poison if self._is_read(each.partition, each.offset)])
        self._forgotten(batch)
        return self._against_outbox(seen)

    def _is_read(self, partition: int, offset: int) -> bool:
        return offset < self._next_offsets.get(partition, 0)

    def _against_outbox(self, seen: Sequence[Seen]) -> int:
        if not seen:
            return 0
        places: dict[UUID, list[int]] = defaultdict(list)
        for event in seen:
            places[event.lane].append(event.seq)
        lanes, firsts, lasts = zip(*lane_runs(places), strict=True)
        asked = {"lanes": list(lanes), "firsts": list(firsts), "lasts": list(lasts)}
        stored: dict[tuple[UUID, int], set[tuple[int, int, str]]] = defaultdict(set)
        for lane, seq, *addition in self._adder.execute(SQL.events, asked):
            stored[lane, seq].add(tuple(addition))
        ends: dict[UUID, int] = dict(self._adder.execute(SQL.ends, {"lanes": list(places)}).fetchall())
        return against_outbox(seen, stored, ends, self.report)

    def _passed_over(self, places: list[tuple[int, int, UUID, int]]) -> None:
        if not places:
            return
        where = {(lane, seq): (partition, offset) for partition, offset, lane, seq in places}
        asked = {"lanes": [lane for lane, _ in where], "seqs": [seq for _, seq in where]}
        for lane, seq in self._totalizer.execute(SQL.passed_over, asked):
            partition, offset = where[lane, seq]
            detail = f"read at {self._topic}/{partition}@{offset}, and neither counted nor parked"
            self.report.find(Kind.LOST, f"{lane}:{seq}", detail)

    def _unburied(self, poison: list[Poison]) -> None:
        if not poison:
            return
        asked: dict[str, Any] = {"topic": self._topic, "partitions": [p.partition for p in poison]}
        for partition, offset in self._totalizer.execute(
            SQL.unburied, {**asked, "offsets": [p.offset for p in poison]}
        ):
            place = f"{self._topic}/{partition}@{offset}"
            self.report.find(Kind.LOST, place, "no event, was read, and is not among the dead letters")

    def _forgotten(self, batch: Batch) -> None:
        # A batch of foreign events does not say where each was read: it is asked for when all of it is read.
        if not batch.foreign or not all(self._is_read(p, next_ - 1) for p, next_ in batch.next_offsets.items()):
            return
        asked = {"event_ids": [read.event.event_id for read in batch.foreign]}
        for (event_id,) in self._totalizer.execute(SQL.forgotten, asked):
            self.report.find(Kind.LOST, event_id, "an event without a lane, read, and not remembered as counted")

    def _parked(self) -> None:
        """Compare what waits behind gaps with the outbox."""
        lane, seq, count = _FIRST_LANE, 0, 0
        while True:
            asked = {"lane": lane, "seq": seq, "limit": PARKED_AT_ONCE}
            rows = self._totalizer.execute(SQL.parked_events, asked).fetchall()
            if not rows:
                break
            count += len(rows)
            for lane, seq, x, y, result, _ in rows:
                if x + y != result:
                    detail = f"parked with a result of {result} for {x} + {y}"
                    self.report.find(Kind.ALTERED, f"{lane}:{seq}", detail)
            where = "the parked events"
            self._against_outbox([Seen(lane, seq, x, y, where, name) for lane, seq, x, y, _, name in rows])
        self.report.figures["parked_events"] = count

    def _foreign(self) -> None:
        """The ids of foreign events are remembered once each, and not more of them than were counted."""
        with self._totalizer.transaction():
            ((remembered, times),) = self._totalizer.execute(SQL.remembered).fetchall()
            ((_, _, count, _, _),) = self._totalizer.execute(SQL.totals).fetchall()
        if times > 1:
            self.report.find(Kind.DOUBLED, "foreign events", f"one is remembered as counted {times} times")
        if remembered > count:
            detail = f"{remembered} are remembered as counted, {count} were counted"
            self.report.find(Kind.ALTERED, "foreign events", detail)
