"""The adder's PostgreSQL in memory: what each of its queries does, with transactions, locks and lost sessions.

Only what sessions can see of each other is modelled: commits in an order, unique request ids, a lane's row lock,
advisory locks that live as long as their session. `test_stores` holds it to a real PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from sumflow.adder.session import SQL
from sumflow.audit.reading import SQL as AUDIT
from sumflow.database import queries
from tests.simulation.storage import Blocked, Journal, Rows, Table, Write, broken_connection, parsed

RECOVERY: Final = queries("sumflow.recovery")
Parameters = dict[str, Any]
Result = tuple[Rows, int]


class LaneRow(NamedTuple):
    """A row of `lanes`."""

    lane: UUID
    owner: str
    partition: int | None = None
    last_seq: int = 0
    published_seq: int = 0
    counted: int = 0
    sum: int = 0
    closed: bool = False
    drained: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """The server's side of a connection."""

    synchronous: bool = True
    is_alive: bool = True
    is_abandoned: bool = False
    """Its client is gone or cannot be reached, and the server has not noticed yet: it keeps its locks."""
    in_transaction: bool = False
    writes: list[Write] = field(default_factory=list)
    rows_locked: set[Any] = field(default_factory=set)
    """Lane numbers and request ids that others must wait for."""


class AdderStore:
    """The database.

    Args:
        on_commit: is told what each transaction wrote, after it is applied.
    """

    def __init__(self, on_commit: Callable[[list[Write]], None]) -> None:
        self.lanes: dict[int, LaneRow] = {}
        self.events: Table = {}
        self.requests: Table = {}
        self.lane_totals: Table = {}
        """By lane number and name: count and sum."""
        self.advisory: dict[tuple[int, int], Session] = {}
        self.row_locks: dict[Any, Session] = {}
        self.sessions: list[Session] = []
        self.journal = Journal()
        self._on_commit = on_commit
        self.notices: list[int] = []
        """Lanes of which commits were announced, for whoever listens."""

    def connect(self, *, synchronous: bool = True) -> Session:
        """Begin a session."""
        session = Session(synchronous)
        self.sessions.append(session)
        return session

    def end(self, session: Session) -> None:
        """End a session from the server's side: roll back, let go of its locks."""
        session.is_alive = False
        session.in_transaction = False
        session.writes.clear()
        self._unlock_rows(session)
        for lock in [lock for lock, holder in self.advisory.items() if holder is session]:
            del self.advisory[lock]
        if session in self.sessions:
            self.sessions.remove(session)

    def end_abandoned(self) -> bool:
        """Notice the clients that are gone; return whether there were any."""
        abandoned = [session for session in self.sessions if session.is_abandoned]
        for session in abandoned:
            self.end(session)
        return bool(abandoned)

    def end_all(self) -> None:
        """The server goes away, and all sessions with it."""
        for session in list(self.sessions):
            self.end(session)

    def execute(self, session: Session, query: str, parameters: Parameters) -> Result:
        """Run one statement; raise Blocked while it has to wait, and what psycopg would raise."""
        if not session.is_alive:
            raise broken_connection()
        try:
            result = _HANDLERS[query](self, session, parameters)
        except Blocked:
            if not session.in_transaction:
                session.writes.clear()
            raise
        if session.writes and not session.in_transaction:
            self._commit(session)
        return result

    def _commit(self, session: Session) -> None:
        writes, session.writes, session.in_transaction = session.writes, [], False
        self._unlock_rows(session)
        if not writes:
            return
        self.journal.commit(writes, synchronous=session.synchronous)
        self._on_commit(writes)
        if len(writes) > 1:  # events come with their lane's row
            self.notices += {key[0] for table, key, _ in writes if table is self.events}

    def _unlock_rows(self, session: Session) -> None:
        if session.rows_locked:
            for key in session.rows_locked:
                del self.row_locks[key]
            session.rows_locked.clear()

    def _lock_row(self, session: Session, key: Any) -> None:
        if self.row_locks.get(key, session) is not session:
            raise Blocked
        if session.in_transaction and key not in session.rows_locked:
            session.rows_locked.add(key)
            self.row_locks[key] = session

    def begin(self, session: Session, _: Parameters) -> Result:
        """BEGIN."""
        session.in_transaction = True
        return [], -1

    def commit(self, session: Session, _: Parameters) -> Result:
        """COMMIT; outside of a transaction it does nothing."""
        self._commit(session)
        return [], -1

    def rollback(self, session: Session, _: Parameters) -> Result:
        """ROLLBACK."""
        session.writes, session.in_transaction = [], False
        self._unlock_rows(session)
        return [], -1

    def probe(self, _: Session, __: Parameters) -> Result:
        """SELECT 1."""
        return [(1,)], 1

    def open_lane(self, session: Session, p: Parameters) -> Result:
        """A new row, with the writer's lock on it."""
        number = max(self.lanes, default=0) + 1
        session.writes.append((self.lanes, number, LaneRow(p["lane"], p["owner"])))
        self.advisory[1, number] = session
        return [(number, "")], 1

    def remember_requests(self, session: Session, p: Parameters) -> Result:
        """INSERT ... ON CONFLICT DO NOTHING: waits for who is inserting the same ids."""
        for request_id in p["ids"]:
            if self.row_locks.get(request_id, session) is not session:
                raise Blocked
        kept = 0
        columns = (p["seqs"], p["digests"], p["xs"], p["ys"], p["totals"])
        for request_id, *known in zip(p["ids"], *columns, strict=True):
            if request_id not in self.requests:
                self._lock_row(session, request_id)
                session.writes.append((self.requests, request_id, (p["lane"], *known)))
                kept += 1
        return [], kept

    def known_requests(self, _: Session, p: Parameters) -> Result:
        """What is committed under the ids."""
        rows: Rows = [(i, *self.requests[i]) for i in p["ids"] if i in self.requests]
        return rows, len(rows)

    def store_group(self, session: Session, p: Parameters) -> Result:
        """The lane's end by compare-and-set, and the events behind it."""
        number, before, count = p["number"], p["last_seq"], p["count"]
        self._lock_row(session, number)
        row = self.lanes.get(number)
        if row is None or row.last_seq != before or row.closed:
            return [], 0
        moved = row._replace(last_seq=row.last_seq + count, counted=row.counted + count, sum=row.sum + int(p["sum"]))
        session.writes.append((self.lanes, number, moved))
        xs, ys, totals = (parsed(p[column]) for column in ("xs", "ys", "totals"))
        created_at = p["created_at"]
        for ordinal, (x, y, name) in enumerate(zip(xs, ys, totals or [""] * count, strict=True), before + 1):
            session.writes.append((self.events, (number, ordinal), (ordinal, x, y, created_at, None, name or None)))
        for name, brought, value in zip(*(parsed(p[column]) for column in ("names", "counts", "sums")), strict=True):
            had = self.lane_totals.get((number, name), (0, 0))
            session.writes.append((self.lane_totals, (number, name), (had[0] + brought, had[1] + value)))
        return [("",)], 1

    def close_lane(self, session: Session, p: Parameters) -> Result:
        """The writer's farewell."""
        row = self.lanes.get(p["number"])
        if row is None or row.closed:
            return [], 0
        self._lock_row(session, p["number"])
        session.writes.append((self.lanes, p["number"], row._replace(closed=True)))
        return [], 1

    def survey(self, _: Session, __: Parameters) -> Result:
        """Every lane that is not drained."""
        lanes: Rows = [
            (number, row.lane, row.owner, row.last_seq, row.closed, (2, number) in self.advisory)
            for number, row in self.lanes.items()
            if not row.drained
        ]
        return lanes, len(lanes)

    def claim(self, session: Session, p: Parameters) -> Result:
        """pg_try_advisory_lock."""
        return [(self.advisory.setdefault((2, p["number"]), session) is session,)], 1

    def release(self, session: Session, p: Parameters) -> Result:
        """pg_advisory_unlock."""
        held = self.advisory.get((2, p["number"])) is session
        if held:
            del self.advisory[2, p["number"]]
        return [(held,)], 1

    def fix_partition(self, session: Session, p: Parameters) -> Result:
        """The first claim decides the partition."""
        self._lock_row(session, p["number"])
        row = self.lanes[p["number"]]
        if row.partition is None:
            row = row._replace(partition=p["number"] % p["partitions"])
        session.writes.append((self.lanes, p["number"], row))
        return [(row.partition, row.published_seq)], 1

    def read_events(self, _: Session, p: Parameters) -> Result:
        """The next events in order."""
        rows: Rows = []
        number, seq = p["number"], p["after"] + 1
        while len(rows) < p["limit"] and (row := self.events.get((number, seq))) is not None:
            rows.append(row)
            seq += 1
        return rows, len(rows)

    def record_published(self, session: Session, p: Parameters) -> Result:
        """Move published ends forward."""
        for number in p["numbers"]:
            self._lock_row(session, number)
        for number, seq in zip(p["numbers"], p["seqs"], strict=True):
            row = self.lanes[number]
            if row.published_seq < seq:
                if seq > row.last_seq:
                    session.writes.clear()
                    raise psycopg.errors.CheckViolation("published_seq <= last_seq")
                session.writes.append((self.lanes, number, row._replace(published_seq=seq)))
        return [], len(session.writes)

    def close_abandoned(self, session: Session, p: Parameters) -> Result:
        """Close lanes whose writer's lock is free."""
        closed: Rows = []
        for number in p["numbers"]:
            row = self.lanes[number]
            if (1, number) not in self.advisory and not row.closed:
                self._lock_row(session, number)
                session.writes.append((self.lanes, number, row._replace(closed=True)))
                closed.append((number,))
        return closed, len(closed)

    def finish_drained(self, session: Session, p: Parameters) -> Result:
        """Mark lanes that are closed and published to the end."""
        drained: Rows = []
        for number in p["numbers"]:
            row = self.lanes[number]
            if row.closed and row.published_seq == row.last_seq:
                session.writes.append((self.lanes, number, row._replace(drained=True)))
                drained.append((number,))
        return drained, len(drained)

    def published(self, _: Session, __: Parameters) -> Result:
        """How far each lane is published."""
        rows: Rows = [(row.lane, row.published_seq) for row in self.lanes.values()]
        return rows, len(rows)

    def accepted(self, _: Session, __: Parameters) -> Result:
        """Every lane; the outbox is young and has all of each."""
        rows: Rows = [
            (row.lane, number, row.last_seq, row.published_seq, row.counted, row.sum, row.partition, False)
            for number, row in self.lanes.items()
        ]
        return rows, len(rows)

    def outbox_days(self, _: Session, __: Parameters) -> Result:
        """One day."""
        return [("events_20260102",)], 1

    def tails(self, _: Session, p: Parameters) -> Result:
        """What the outbox has beyond marks, by lane and name."""
        found: dict[tuple[int, str], tuple[int, int]] = {}
        for number, mark in zip(p["numbers"], p["marks"], strict=True):
            beyond = [event for (of, seq), event in self.events.items() if of == number and seq > mark]
            for _, x, y, _, _, name in beyond or [(0, 0, 0, None, None, None)]:
                had = found.get((number, name or ""), (0, 0))
                found[number, name or ""] = (had[0] + bool(beyond), had[1] + x + y)
        return [(*key, *tally) for key, tally in found.items()], len(found)

    def accepted_totals(self, _: Session, __: Parameters) -> Result:
        """What all lanes have under each name."""
        return self._names(self.lanes.keys())

    def accepted_names(self, _: Session, __: Parameters) -> Result:
        """The same of those that were ever published."""
        return self._names({number for number, row in self.lanes.items() if row.partition is not None})

    def _names(self, numbers: Collection[int]) -> Result:
        names: dict[str, tuple[int, int]] = {}
        for (number, name), (count, value) in self.lane_totals.items():
            if number in numbers:
                had = names.get(name, (0, 0))
                names[name] = (had[0] + count, had[1] + value)
        return [(name, *tally) for name, tally in names.items()], len(names)


_HANDLERS: dict[str, Callable[[AdderStore, Session, Parameters], Result]] = {
    "BEGIN": AdderStore.begin,
    "COMMIT": AdderStore.commit,
    "ROLLBACK": AdderStore.rollback,
    "SELECT 1": AdderStore.probe,
    SQL.open_lane: AdderStore.open_lane,
    SQL.remember_requests: AdderStore.remember_requests,
    SQL.known_requests: AdderStore.known_requests,
    SQL.store_group: AdderStore.store_group,
    SQL.close_lane: AdderStore.close_lane,
    SQL.survey: AdderStore.survey,
    SQL.claim: AdderStore.claim,
    SQL.release: AdderStore.release,
    SQL.fix_partition: AdderStore.fix_partition,
    SQL.read_events: AdderStore.read_events,
    SQL.record_published: AdderStore.record_published,
    SQL.close_abandoned: AdderStore.close_abandoned,
    SQL.finish_drained: AdderStore.finish_drained,
    AUDIT.published: AdderStore.published,
    AUDIT.accepted: AdderStore.accepted,
    AUDIT.outbox_days: AdderStore.outbox_days,
    AUDIT.tails: AdderStore.tails,
    AUDIT.accepted_totals: AdderStore.accepted_totals,
    RECOVERY.accepted_names: AdderStore.accepted_names,
}
