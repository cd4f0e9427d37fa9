"""Reads the total for the REST interface, and hears when it changes, whichever replica changed it.

All readers share one query: whoever asks while one is under way gets the answer of the next, which begins after the
question. So an answer is never older than its question, and a thousand readers cost the database one connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from sumflow.database import Backoff, conninfo, queries
from sumflow.settings import TotalizerSettings
from sumflow.sums.event import Position
from sumflow.sums.totals import Tallies, Tally
from sumflow.totalizer.session import cut

READ_LIMIT_S: Final = 2.0
"""A reader is told after this long that the database is away."""
LISTEN_CHECK_S: Final = 5.0
"""A connection that only listens is tried this often: it would not notice by itself that its server froze."""

_sql: Final = queries("sumflow.totalizer")
_log: Final = structlog.get_logger(__name__)


class DatabaseAwayError(Exception):
    """The total cannot be read now."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The total and its surroundings at one moment."""

    total: int
    count: int
    parked: int
    dead_letters: int
    lag: int
    """Records in Kafka that were not in the total, as far as the replicas last knew."""
    marks: dict[str, int]
    """The marks of the lanes that were asked for, by their text form."""
    named: Tallies
    """The named totals that were asked for; one that nothing was added to is not there."""

    def of(self, name: str) -> Tally | None:
        """Return the total of a name that was asked for, with an empty name the one total; None if there is none."""
        return self.named.get(name) if name else Tally(self.count, self.total)


class Totals:
    """The readers' side of the database; belongs to one event loop.

    Args:
        settings: where the database is.
    """

    def __init__(self, settings: TotalizerSettings) -> None:
        self._conninfo = conninfo(settings, "sumflow-totalizer-rest")
        self._topic = settings.kafka_topic
        self._connection: AsyncConnection[TupleRow] | None = None
        self._one_query = asyncio.Lock()
        self._lanes: set[UUID] = set()
        self._names: set[str] = set()
        self._next: asyncio.Task[Snapshot] | None = None
        self._changed = asyncio.Event()
        self._ending = False

    @property
    def changed(self) -> asyncio.Event:
        """Is set at the next change; take it before reading, so that no change is missed."""
        return self._changed

    async def read(self, lane: UUID | None = None, name: str = "") -> Snapshot:
        """Return a snapshot taken after this call began; raise DatabaseAwayError after `READ_LIMIT_S` at the latest."""
        if lane is not None:
            self._lanes.add(lane)
        if name:
            self._names.add(name)
        if self._next is None:
            self._next = asyncio.create_task(self._query())
        return await asyncio.shield(self._next)

    async def page(self, after: str, limit: int) -> list[tuple[str, Tally]]:
        """Return the named totals that follow a name in the order of bytes; raise DatabaseAwayError."""
        async with self._one_query:
            rows = await self._ask(_sql.page, {"after": after, "limit": limit})
        return [(name, Tally(int(count), int(total))) for name, count, total in rows]

    async def including(self, position: Position, wait_s: float, name: str = "") -> Snapshot | None:
        """Return a snapshot that includes the position as soon as there is one, None if there is none in time."""
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    changed = self._changed
                    if included(snapshot := await self.read(position.lane, name), position):
                        return snapshot
                    if self._ending:
                        return None
                    await changed.wait()
        except TimeoutError:
            snapshot = await self.read(position.lane, name)
            return snapshot if included(snapshot, position) else None

    async def listen(self) -> None:
        """Hear of changes until cancelled; comes back by itself when the database does."""
        backoff = Backoff()
        while True:
            try:
                async with await _connect(self._conninfo) as connection:
                    backoff.reset()
                    await self._hear(connection)
            except (psycopg.Error, TimeoutError, OSError) as error:
                _log.warning("not hearing of changes", error=str(error).strip())
            self._wake()
            await asyncio.sleep(backoff.next_s())

    def end_waits(self) -> None:
        """Let everyone who waits for a change look once more, and wait no longer."""
        self._ending = True
        self._wake()

    async def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _hear(self, connection: AsyncConnection[TupleRow]) -> None:
        while True:
            await _execute(connection, _sql.listen)
            self._wake()
            async for _ in connection.notifies(timeout=LISTEN_CHECK_S):
                self._wake()

    async def _query(self) -> Snapshot:
        async with self._one_query:
            # Who asks from here on wants a snapshot that is not taken yet: the next query's.
            self._next = None
            lanes, self._lanes = self._lanes, set()
            names, self._names = self._names, set()
            asked = {"topic": self._topic, "lanes": list(lanes), "names": list(names)}
            ((count, total, parked, dead_letters, lag, marks, named),) = await self._ask(_sql.snapshot, asked)
        tallies = {name: Tally(*numbers) for name, numbers in named.items()}
        return Snapshot(int(total), int(count), int(parked), int(dead_letters), int(lag), marks, tallies)

    async def _ask(self, query: str, parameters: dict[str, Any]) -> list[TupleRow]:
        try:
            if self._connection is None:
                self._connection = await _connect(self._conninfo)
            return await _execute(self._connection, query, parameters)
        except (psycopg.Error, TimeoutError, OSError) as error:
            await self.close()
            raise DatabaseAwayError(str(error).strip() or type(error).__name__) from error


def included(snapshot: Snapshot, position: Position) -> bool:
    """Tell whether the snapshot's total includes the position."""
    return snapshot.marks.get(str(position.lane), 0) >= position.seq


async def _connect(info: str) -> AsyncConnection[TupleRow]:
    async with asyncio.timeout(READ_LIMIT_S):
        return await AsyncConnection.connect(info, autocommit=True)


async def _execute(
    connection: AsyncConnection[TupleRow], query: str, parameters: dict[str, Any] | None = None
) -> list[TupleRow]:
    """Run one statement; a server that does not answer in time loses its socket, and this raises OperationalError."""
    limit = asyncio.get_running_loop().call_later(READ_LIMIT_S, cut, connection.fileno())
    try:
        cursor = await connection.execute(query, parameters)
        return await cursor.fetchall() if cursor.description else []
    finally:
        limit.cancel()
