"""The ledger's transactions on the totalizer's simulated database and on a real one, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg

from sumflow.audit.facts import Accepted, Cut, Extent
from sumflow.audit.reading import read_totalizer
from sumflow.recovery import rebuild as recovery
from sumflow.recovery.plan import Plan, plan
from sumflow.sums.event import Event, Payload
from sumflow.sums.totals import Tally
from sumflow.totalizer import ledger, upkeep
from sumflow.totalizer.positions import TopicFacts
from sumflow.totalizer.records import Batch, ForeignEvent, LaneEvent, Poison
from tests.simulation.rebuild_store import RebuildConnection
from tests.simulation.totalizer_store import Connection, TotalizerStore

TOPIC_ID: Final = UUID(int=5)
PARTITIONS: Final = 2
TOTALS: Final = ("", "a", "Z", "\u00e9 {}")
_LANES: Final = [UUID(int=n) for n in (11, 12, 13)]


@dataclass(slots=True)
class BothTotalizers:
    """Runs random batches through the ledger on both databases, and compares outcomes and rows.

    Args:
        url: of the real database, migrated.
        random: decides.
    """

    url: str
    random: Random
    store: TotalizerStore = field(init=False)
    real: psycopg.Connection[Any] = field(init=False)
    offsets: dict[int, int] = field(default_factory=dict)
    counted: int = 0
    settled: int = 0
    rebuilt: int = 0

    def __post_init__(self) -> None:
        self.store = TotalizerStore(lambda _: None)
        self.real = psycopg.connect(self.url, autocommit=True)
        upkeep.turn_day(self.real, 30)
        facts = TopicFacts(TOPIC_ID, {}, dict.fromkeys(range(PARTITIONS), 0))
        simulated: Any = Connection(self.store)
        for connection in (simulated, self.real):
            upkeep.register(connection, "sums", facts, dict.fromkeys(range(PARTITIONS), 0))
        simulated.commit()
        assert upkeep.stored_offsets(simulated, "sums") == upkeep.stored_offsets(self.real, "sums")
        self.offsets = dict.fromkeys(range(PARTITIONS), 0)

    def close(self) -> None:
        """End the session."""
        self.real.close()

    def step(self) -> None:
        """Run one batch on both: kept, rolled back, or refused because the offsets are not the expected ones."""
        positions = dict(self.offsets)
        if self.random.random() < 0.1:
            positions[0] += 1
        batch, is_kept = self._batch(), self.random.random() < 0.8
        reading = ledger.Reading("sums", TOPIC_ID, positions, {})
        found, expected = self._on_real(batch, reading, is_kept), self._on_simulated(batch, reading, is_kept)
        assert found == expected, f"PostgreSQL: {found}\nsimulated: {expected}"
        if found and is_kept:
            self.offsets |= batch.next_offsets
            self.counted += found[0]
            self.settled += found[-1]
        self._compare()

    def _batch(self) -> Batch:
        batch = Batch()
        for _ in range(self.random.randint(1, 6)):
            partition, chance = self.random.randrange(PARTITIONS), self.random.random()
            offset = batch.next_offsets.get(partition, self.offsets[partition])
            batch.next_offsets[partition] = offset + 1
            if chance < 0.1:
                lane = self.random.choice([*_LANES, None])
                batch.poison.append(Poison(partition, offset, None, b"{", 1, [], "no event", lane, 1 if lane else None))
            elif chance < 0.3:
                event = _event("till", self.random.randint(100, 130))
                batch.foreign.append(ForeignEvent(event, self.random.choice(TOTALS)))
            else:
                lane = self.random.choice(_LANES)
                mark = self.store.marks[lane].mark if lane in self.store.marks else 0
                seq = max(1, mark + self.random.randint(-1, 4))
                read = LaneEvent(seq, _event(str(lane), seq), partition, offset, self.random.choice(TOTALS))
                batch.lanes.setdefault(lane, []).append(read)
        return batch

    def _on_real(self, batch: Batch, reading: ledger.Reading, is_kept: bool) -> tuple[int, ...] | None:
        try:
            with self.real.transaction(force_rollback=not is_kept):
                return _essence(ledger.record_batch(self.real, batch, reading))
        except ledger.OwnershipLostError:
            return None

    def _on_simulated(self, batch: Batch, reading: ledger.Reading, is_kept: bool) -> tuple[int, ...] | None:
        connection: Any = Connection(self.store)
        try:
            outcome = ledger.record_batch(connection, batch, reading)
        except ledger.OwnershipLostError:
            return None
        if is_kept:
            connection.commit()
        return _essence(outcome)

    def rebuild(self) -> None:
        """Rebuild both, kept or rolled back, to books of an adder that are made up; both were read alike before."""
        simulated, real = RebuildConnection(self.store), self.real
        found, expected = (read_totalizer(connection, "sums") for connection in (real, simulated))  # type: ignore[arg-type]
        for rows in (found, expected):
            del rows["dead_letter_count"]  # a column of offsets that decides nothing, and is not simulated
            rows["dead_letters"] = sorted(rows["dead_letters"], key=lambda letter: letter.place)
        assert found == expected, f"PostgreSQL: {found}\nsimulated: {expected}"
        topic, decided = self._plan(found)
        is_kept = self.random.random() < 0.8
        with real.transaction(force_rollback=not is_kept):
            recovery._write(real, "sums", topic, decided)
        recovery._write(simulated, "sums", topic, decided)  # type: ignore[arg-type]
        if is_kept:
            simulated.commit()
            self.offsets = dict(decided.starts)
            self.rebuilt += 1
        self._compare()

    def _plan(self, seen: dict[str, Any]) -> tuple[Cut, Plan]:
        ends = {partition: self.random.randint(0, 9) for partition in range(PARTITIONS)}
        topic = Cut(topic_id=TOPIC_ID, extents={partition: Extent(0, end) for partition, end in ends.items()})
        lanes = {lane: self.random.randint(0, 4) for lane in _LANES if self.random.random() < 0.7}
        accepted = {
            lane: Accepted(number, last, 0, last, last * 7, self.random.choice([0, 1, None]))
            for number, (lane, last) in enumerate(lanes.items(), 1)
        }
        names = {name: Tally(2, 9) for name in TOTALS if name and self.random.random() < 0.5}
        return topic, plan(Cut(topic_id=TOPIC_ID, extents=topic.extents, accepted=accepted, **seen), names)

    def _compare(self) -> None:
        store, ask = self.store, self._ask
        assert ask("SELECT partition, next_offset, topic_id FROM offsets ORDER BY 1") == [
            (partition, *row) for partition, row in sorted(store.offsets.items())
        ]
        assert ask("SELECT lane, mark, count, sum, parked FROM lane_marks ORDER BY 1") == [
            (lane, *row) for lane, row in sorted(store.marks.items())
        ]
        assert ask("SELECT lane, seq, result, total FROM parked ORDER BY 1, 2") == [
            (*place, *row) for place, row in sorted(store.parked.items())
        ]
        assert ask("SELECT name, count, sum FROM totals ORDER BY 1") == [
            (name, *row) for name, row in sorted(store.totals.items())
        ]
        assert ask("SELECT event_id FROM processed_events ORDER BY 1") == [
            (known,) for known in sorted(store.processed)
        ]
        assert ask(
            "SELECT '', count, sum FROM foreign_totals UNION ALL SELECT * FROM named_foreign_totals ORDER BY 1"
        ) == [(name, *row) for name, row in sorted(store.foreign.items())]
        assert ask('SELECT topic_id, partition, "offset", reason, lane, seq FROM dead_letters ORDER BY 1, 2, 3') == [
            (*place, *letter) for place, letter in sorted(store.dead_letters.items())
        ]

    def _ask(self, query: LiteralString) -> list[Any]:
        return self.real.execute(query).fetchall()


def _event(aggregate_id: str, number: int) -> Event:
    created_at = datetime(2026, 1, 2, tzinfo=UTC)
    payload = Payload(number, 1, number + 1)
    return Event(UUID(int=number), "sum", aggregate_id, "sum.calculated", payload, created_at)


def _essence(outcome: ledger.Outcome) -> tuple[int, ...]:
    """Return what an outcome decides; when the additions were acknowledged is for metrics only."""
    parking = (outcome.parked, outcome.unparked, outcome.settled)
    return (outcome.counted, outcome.sum, outcome.duplicates, *parking)
