"""The totalizer's PostgreSQL in memory as audits read it and rebuilds write it, held to a real one by `test_stores`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from sumflow.audit.reading import SQL as AUDIT
from sumflow.database import queries
from tests.simulation.storage import Rows
from tests.simulation.totalizer_store import Connection, MarkRow, OffsetRow, Parameters

RECOVERY: Final = queries("sumflow.recovery")


class Answer(list[tuple[Any, ...]]):
    """The rows of a statement; others may follow before they are read."""

    def fetchall(self) -> Rows:
        """Return them."""
        return self


class RebuildConnection(Connection):
    """One transaction of an audit, or of a rebuild."""

    handlers: ClassVar[dict[str, Callable[[Any, Parameters], Rows]]] = {}

    holds = False
    """Whether totalizers have to wait."""

    def execute(self, query: str, parameters: Parameters | None = None) -> Any:
        """Run one statement."""
        return Answer(super().execute(query, parameters))

    def counted(self, _: Parameters) -> Rows:
        """Every lane."""
        return [(lane, *row) for lane, row in self.rows_of(self.store.marks).items()]

    def parked_by_lane(self, _: Parameters) -> Rows:
        """What waits behind gaps."""
        seqs: dict[Any, list[int]] = {}
        for lane, seq in self.rows_of(self.store.parked):
            seqs.setdefault(lane, []).append(seq)
        return [(lane, len(waiting), max(waiting)) for lane, waiting in seqs.items()]

    def counted_totals(self, _: Parameters) -> Rows:
        """The named totals, and what events without a lane brought to them."""
        totals, foreign = self.rows_of(self.store.totals), self.rows_of(self.store.foreign)
        names = (totals.keys() | foreign.keys()) - {""}
        return [(name, *totals.get(name, (0, 0)), *foreign.get(name, (0, 0))) for name in sorted(names)]

    def all_totals(self, _: Parameters) -> Rows:
        """The one total, what events without a lane brought, and the number of dead letters."""
        total, foreign = self.get(self.store.totals, "") or (0, 0), self.get(self.store.foreign, "") or (0, 0)
        return [(*total, *foreign, len(self.store.dead_letters))]

    def next_offsets(self, _: Parameters) -> Rows:
        """What of each partition is read."""
        return [(partition, row.next_offset) for partition, row in self.rows_of(self.store.offsets).items()]

    def topics_read(self, _: Parameters) -> Rows:
        """Whose offsets these are."""
        return [(topic_id,) for topic_id in {row.topic_id for row in self.rows_of(self.store.offsets).values()}]

    def blocking_letters(self, _: Parameters) -> Rows:
        """Dead letters in the place of the next event of their lane."""
        marks = self.rows_of(self.store.marks)
        return [
            (letter.lane, letter.seq, f"sums/{partition}@{offset}", letter.reason)
            for (_, partition, offset), letter in self.store.dead_letters.items()
            if letter.seq == (marks[letter.lane].mark if letter.lane in marks else 0) + 1
        ]

    def hold_totals(self, _: Parameters) -> Rows:
        """From here on nobody else commits."""
        self.holds = True
        return []

    def set_lanes(self, p: Parameters) -> Rows:
        """Count lanes to their ends; how many of theirs are parked stays."""
        for lane, last_seq, total in zip(p["lanes"], p["last_seqs"], p["sums"], strict=True):
            had = self.get(self.store.marks, lane) or MarkRow()
            self.set(self.store.marks, lane, MarkRow(last_seq, last_seq, int(total), had.parked))
        return []

    def forget_lanes(self, p: Parameters) -> Rows:
        """Take lanes out."""
        for lane in p["lanes"]:
            self.set(self.store.marks, lane, None)
        return []

    def forget_parked(self, _: Parameters) -> Rows:
        """Take out what waits."""
        for place in self.rows_of(self.store.parked):
            self.set(self.store.parked, place, None)
        for lane, row in self.rows_of(self.store.marks).items():
            if row.parked:
                self.set(self.store.marks, lane, row._replace(parked=0))
        return []

    def forget_totals(self, _: Parameters) -> Rows:
        """Take out all totals."""
        for name in self.rows_of(self.store.totals):
            self.set(self.store.totals, name, None)
        return []

    def set_totals(self, p: Parameters) -> Rows:
        """Put totals in."""
        for name, count, total in zip(p["names"], p["counts"], p["sums"], strict=True):
            self.set(self.store.totals, name, (int(count), int(total)))
        return []

    def forget_offsets(self, _: Parameters) -> Rows:
        """Take out where reading stood."""
        for partition in self.rows_of(self.store.offsets):
            self.set(self.store.offsets, partition, None)
        return []

    def set_offsets(self, p: Parameters) -> Rows:
        """Let reading begin elsewhere."""
        for partition, start in zip(p["partitions"], p["starts"], strict=True):
            self.set(self.store.offsets, partition, OffsetRow(start, p["topic_id"]))
        return []

    def announce_rebuilt(self, _: Parameters) -> Rows:
        """Nobody listens."""
        return []


RebuildConnection.handlers = {
    AUDIT.counted: RebuildConnection.counted,
    AUDIT.totals: RebuildConnection.all_totals,
    AUDIT.counted_totals: RebuildConnection.counted_totals,
    AUDIT.parked: RebuildConnection.parked_by_lane,
    AUDIT.next_offsets: RebuildConnection.next_offsets,
    AUDIT.topics_read: RebuildConnection.topics_read,
    AUDIT.dead_letters: RebuildConnection.blocking_letters,
    RECOVERY.hold_totals: RebuildConnection.hold_totals,
    RECOVERY.set_lanes: RebuildConnection.set_lanes,
    RECOVERY.forget_lanes: RebuildConnection.forget_lanes,
    RECOVERY.forget_parked: RebuildConnection.forget_parked,
    RECOVERY.forget_totals: RebuildConnection.forget_totals,
    RECOVERY.set_totals: RebuildConnection.set_totals,
    RECOVERY.forget_offsets: RebuildConnection.forget_offsets,
    RECOVERY.set_offsets: RebuildConnection.set_offsets,
    RECOVERY.announce: RebuildConnection.announce_rebuilt,
}

STATEMENTS: Final = frozenset(handler.__name__ for handler in RebuildConnection.handlers.values())
"""Of a rebuild, by the names of those who carry them out."""
