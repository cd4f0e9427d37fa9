"""The totalizer's PostgreSQL in memory: what each of the ledger's queries does, one transaction at a time.

Transactions of different consumers exclude each other by the locks that the ledger takes first, so running them one
after the other shows everything that they can do to each other. `test_stores` holds this to a real PostgreSQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

import psycopg

from sumflow.database import newest_migration, queries
from tests.simulation.storage import Journal, Rows, Table, Write, broken_connection, parsed

SQL = queries("sumflow.totalizer")
Parameters = dict[str, Any]


class MarkRow(NamedTuple):
    """A row of `lane_marks`."""

    mark: int = 0
    counted: int = 0
    sum: int = 0
    parked: int = 0


class OffsetRow(NamedTuple):
    """A row of `offsets`."""

    next_offset: int
    topic_id: UUID


class DeadLetter(NamedTuple):
    """A row of `dead_letters`."""

    reason: str
    lane: UUID | None
    seq: int | None


Writes = dict[int, tuple[Table, Table]]
"""By the identity of a table: the table, and its changed rows by their keys."""
Waiting = tuple[int, str | None]
"""A row of `parked`: its result and the name of its total."""


_UNCHANGED: Final[tuple[Table, Table]] = ({}, {})


class TotalizerStore:
    """The database.

    Args:
        on_commit: is told what each transaction wrote, after it is applied.
    """

    def __init__(self, on_commit: Callable[[list[Write]], None]) -> None:
        self.offsets: dict[int, OffsetRow] = {}
        self.marks: dict[UUID, MarkRow] = {}
        self.parked: dict[tuple[UUID, int], Waiting] = {}
        self.totals: dict[str, tuple[int, int]] = {"": (0, 0)}
        self.processed: dict[UUID, bool] = {}
        """Ids of events without a lane that are counted."""
        self.foreign: dict[str, tuple[int, int]] = {"": (0, 0)}
        """What those brought to all totals together, under the empty name, and to each named one."""
        self.dead_letters: dict[tuple[UUID, int, int], DeadLetter] = {}
        """By topic, partition and offset."""
        self.failures: Counter[str] = Counter()
        """At which statements transactions failed."""
        self.journal = Journal()
        self._on_commit = on_commit

    def commit(self, writes: Writes) -> None:
        """Apply what a transaction wrote."""
        if not writes:
            return
        done = [(table, key, value) for table, rows in writes.values() for key, value in rows.items()]
        self.journal.commit(done)
        self._on_commit(done)


class Connection:
    """One transaction on the store.

    Args:
        store: the database.
        breaks: tells before each statement whether the connection breaks there.
    """

    handlers: ClassVar[dict[str, Callable[[Any, Parameters], Rows]]] = {}
    """What carries out each query."""

    def __init__(self, store: TotalizerStore, breaks: Callable[[str], bool] | None = None) -> None:
        self.store = store
        self._breaks = breaks
        self._writes: Writes = {}
        self._rows: Rows = []

    def execute(self, query: str, parameters: Parameters | None = None) -> Connection:
        """Run one statement; the rows are there until the next."""
        handler = self.handlers[query]
        if self._breaks and self._breaks(handler.__name__):
            self.store.failures[handler.__name__] += 1
            raise broken_connection()
        self._rows = handler(self, parameters or {})
        return self

    def fetchall(self) -> Rows:
        """Return the rows."""
        return self._rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    @property
    def has_written(self) -> bool:
        """Whether there is something to commit."""
        return bool(self._writes)

    def commit(self) -> None:
        """Make what was written so far permanent."""
        self.store.commit(self._writes)
        self._writes = {}

    def get(self, table: Table, key: Any) -> Any:
        """Return a row as this transaction sees it; None if there is none."""
        _, changed = self._writes.get(id(table), _UNCHANGED)
        return changed[key] if key in changed else table.get(key)

    def rows_of(self, table: Table) -> Table:
        """Return a whole table as this transaction sees it."""
        _, changed = self._writes.get(id(table), _UNCHANGED)
        return {key: row for key, row in {**table, **changed}.items() if row is not None}

    def set(self, table: Table, key: Any, value: Any) -> None:
        """Write a row; None deletes it."""
        changed = self._writes.get(id(table))
        if changed is None:
            changed = self._writes[id(table)] = (table, {})
        changed[1][key] = value

    def lock_offsets(self, p: Parameters) -> Rows:
        """The partitions' rows; nobody else changes them until the transaction ends."""
        rows = [(partition, self.get(self.store.offsets, partition)) for partition in sorted(p["partitions"])]
        return [(partition, row.next_offset, row.topic_id) for partition, row in rows if row]

    def stored_offsets(self, _: Parameters) -> Rows:
        """Every row."""
        return [(partition, row.next_offset, row.topic_id) for partition, row in sorted(self.store.offsets.items())]

    def register_offset(self, p: Parameters) -> Rows:
        """A new row; one that is there stays."""
        if self.get(self.store.offsets, p["partition"]) is None:
            self.set(self.store.offsets, p["partition"], OffsetRow(p["next_offset"], p["topic_id"]))
        return []

    def lock_lanes(self, p: Parameters) -> Rows:
        """The lanes' rows."""
        rows = [(lane, self.get(self.store.marks, lane)) for lane in sorted(p["lanes"])]
        return [(lane, row.mark, row.parked) for lane, row in rows if row]

    def open_lanes(self, p: Parameters) -> Rows:
        """New rows."""
        for lane in p["lanes"]:
            if self.get(self.store.marks, lane) is None:
                self.set(self.store.marks, lane, MarkRow())
        return []

    def park(self, p: Parameters) -> Rows:
        """Keep events that are ahead; one that is kept already is a duplicate."""
        kept: dict[UUID, int] = {}
        for lane, seq, result, name in zip(p["lanes"], p["seqs"], p["results"], p["totals"], strict=True):
            if self.get(self.store.parked, (lane, seq)) is None:
                self.set(self.store.parked, (lane, seq), (result, name or None))
                kept[lane] = kept.get(lane, 0) + 1
        return list(kept.items())

    def unpark(self, p: Parameters) -> Rows:
        """Take out what the marks have reached or passed."""
        rows: Rows = []
        for lane, mark in zip(p["lanes"], p["marks"], strict=True):
            waiting = {seq: row for (of, seq), row in self.rows_of(self.store.parked).items() if of == lane}
            last = mark
            while last + 1 in waiting:
                last += 1
            gone = [seq for seq in waiting if seq <= last]
            for seq in gone:
                self.set(self.store.parked, (lane, seq), None)
            for name in {waiting[seq][1] for seq in gone}:
                named = [seq for seq in gone if waiting[seq][1] == name]
                counted = [waiting[seq][0] for seq in named if seq > mark]
                rows.append((lane, last, name, len(counted), sum(counted), len(named), None))
        return rows

    def advance_lanes(self, p: Parameters) -> Rows:
        """Move marks, counts and sums."""
        columns = (p["lanes"], p["marks"], p["counts"], p["sums"], p["parked"])
        for lane, mark, count, added, parked in zip(*columns, strict=True):
            row = self.get(self.store.marks, lane)
            moved = MarkRow(mark, row.counted + count, row.sum + int(added), row.parked + parked)
            self.set(self.store.marks, lane, moved)
        return []

    def finish(self, p: Parameters) -> Rows:
        """Move the total and the offsets."""
        for partition, next_offset in zip(p["partitions"], p["next_offsets"], strict=True):
            row = self.get(self.store.offsets, partition)
            if row:
                self.set(self.store.offsets, partition, OffsetRow(next_offset, row.topic_id))
        return self._move(self.store.totals, "", p["count"], p["sum"])

    def count_named(self, p: Parameters) -> Rows:
        """Move the named totals."""
        for name, count, added in zip(*(parsed(p[column]) for column in ("names", "counts", "sums")), strict=True):
            self._move(self.store.totals, name, count, added)
        return []

    def _move(self, table: Table, name: str, count: int, added: Decimal | int) -> Rows:
        had = self.get(table, name) or (0, 0)
        self.set(table, name, (had[0] + count, had[1] + int(added)))
        return []

    def hold_day(self, _: Parameters) -> Rows:
        """The day, which is always the same."""
        return [(None,)]

    def remember_events(self, p: Parameters) -> Rows:
        """Remember ids; those that are new."""
        new = [event_id for event_id in p["event_ids"] if self.get(self.store.processed, event_id) is None]
        for event_id in new:
            self.set(self.store.processed, event_id, True)
        return [(event_id,) for event_id in new]

    def count_foreign(self, p: Parameters) -> Rows:
        """Keep apart what events without a lane bring."""
        return self._move(self.store.foreign, "", p["count"], p["sum"])

    def count_named_foreign(self, p: Parameters) -> Rows:
        """The same for named totals."""
        for name, count, added in zip(*(parsed(p[column]) for column in ("names", "counts", "sums")), strict=True):
            self._move(self.store.foreign, name, count, added)
        return []

    def bury(self, p: Parameters) -> Rows:
        """Keep what cannot be counted; what is there stays."""
        places = zip(p["topic_ids"], p["partitions"], p["offsets"], strict=True)
        letters = map(DeadLetter, p["reasons"], p["lanes"], p["seqs"])
        for place, letter in zip(places, letters, strict=True):
            if self.get(self.store.dead_letters, place) is None:
                self.set(self.store.dead_letters, place, letter)
        return []

    def schema(self, _: Parameters) -> Rows:
        """Every migration is there, and no newer version was here."""
        return [(newest_migration("sumflow.totalizer"),)]

    def nothing(self, _: Parameters) -> Rows:
        """What the protocol does not depend on: notifications, gauges, known ends."""
        return []

    def same_day(self, _: Parameters) -> Rows:
        """The day of processed_events is not over."""
        return [(False, None)]


Connection.handlers = {
    SQL.lock_offsets: Connection.lock_offsets,
    SQL.schema: Connection.schema,
    SQL.stored_offsets: Connection.stored_offsets,
    SQL.register_offset: Connection.register_offset,
    SQL.lock_lanes: Connection.lock_lanes,
    SQL.open_lanes: Connection.open_lanes,
    SQL.park: Connection.park,
    SQL.unpark: Connection.unpark,
    SQL.advance_lanes: Connection.advance_lanes,
    SQL.finish: Connection.finish,
    SQL.count_named: Connection.count_named,
    SQL.hold_day: Connection.hold_day,
    SQL.remember_events: Connection.remember_events,
    SQL.count_foreign: Connection.count_foreign,
    SQL.count_named_foreign: Connection.count_named_foreign,
    SQL.bury: Connection.bury,
    SQL.announce: Connection.nothing,
    SQL.store_end_offsets: Connection.nothing,
    SQL.oldest_parked: Connection.nothing,
    SQL.unexplained: Connection.nothing,
    SQL.lock_day: Connection.same_day,
}


STATEMENTS: Final = frozenset(handler.__name__ for handler in Connection.handlers.values())
"""By the names of those who carry them out."""


class Transactions:
    """A session: hands out one transaction after the other.

    Args:
        store: the database.
        kind: what can be done in a transaction.
    """

    def __init__(self, store: TotalizerStore, kind: type[Connection] = Connection) -> None:
        self._store, self._kind = store, kind
        self.fails_at = ""
        """The connection breaks before the next of these statements, one of STATEMENTS."""
        self.loses_commit: bool | None = None
        """The answer to the next COMMIT of something is lost; True: after it was carried out, False: before."""
        self._connection: Connection | None = None

    def transaction(self) -> Transactions:
        """Begin a transaction, to be used as a context manager."""
        self._connection = self._kind(self._store, self._breaks if self.fails_at else None)
        return self

    def _breaks(self, statement: str) -> bool:
        if statement != self.fails_at:
            return False
        self.fails_at = ""
        return True

    def __enter__(self) -> Connection:
        assert self._connection
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        connection, self._connection, lost = self._connection, None, None
        assert connection
        if kind is not None:
            return
        if connection.has_written:
            lost, self.loses_commit = self.loses_commit, None
        if lost is not False:
            connection.commit()
        if lost is not None:
            raise psycopg.OperationalError("the answer to COMMIT is lost")
