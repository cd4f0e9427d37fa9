"""The processes of the adder: coroutines that go from one await point to the next, and may stop there for ever."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final

import psycopg

from sumflow.adder.session import SQL
from tests.simulation import crash_points
from tests.simulation.adder_store import AdderStore, Session
from tests.simulation.clock import CLOCK
from tests.simulation.storage import Blocked, Rows, broken_connection, parsed

STATEMENTS_LIMIT: Final = 12
"""As many steps at most are taken at once."""


class Call:
    """A statement on its way to the server, or its answer on the way back."""

    __slots__ = ("_connection", "parameters", "query", "session")

    def __init__(self, connection: Connection, session: Session, query: str, parameters: dict[str, Any]) -> None:
        self._connection, self.session, self.query, self.parameters = connection, session, query, parameters

    def __await__(self) -> Generator[Call, tuple[Rows, int], Connection]:
        self._connection.rows, self._connection.rowcount = yield self
        return self._connection


@dataclass(slots=True, eq=False)
class Sleep:
    """A wait for an event, or for a time, whichever comes first."""

    event: asyncio.Event
    until_s: float

    def __await__(self) -> Generator[Sleep, None, bool]:
        if not self.event.is_set():
            yield self
        return self.event.is_set()

    @property
    def is_over(self) -> bool:
        """Tell whether the sleeper wakes up."""
        return CLOCK.now_s >= self.until_s or self.event.is_set()


class Immediate:
    """Is awaited without a wait, and without the cost of a coroutine."""

    def __await__(self) -> Iterator[None]:
        return _NOTHING_TO_WAIT_FOR


_NOTHING_TO_WAIT_FOR: Final[Iterator[None]] = iter(())
IMMEDIATELY: Final = Immediate()


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Let others go on."""
    yield None


class Connection:
    """The client's side of a session with the adder's database."""

    def __init__(self, store: AdderStore, *, synchronous: bool = True) -> None:
        self._store = store
        self._session = store.connect(synchronous=synchronous)
        self.rows: Rows = []
        self.rowcount = -1
        self.description = True

    def cursor(self) -> Connection:
        """Return a cursor; one at a time is in use."""
        return self

    def execute(self, query: str, parameters: dict[str, Any] | None = None, *, prepare: bool | None = None) -> Call:
        """Run a statement."""
        return Call(self, self._session, query, parameters or {})

    async def fetchall(self) -> list[Any]:
        """Return the rows."""
        return self.rows

    async def fetchone(self) -> Any:
        """Return the first row, if there is one."""
        return self.rows[0] if self.rows else None

    async def close(self) -> None:
        """End the session; the server hears of it at once, unless the connection is broken."""
        if not self._session.is_abandoned:
            self._store.end(self._session)


class Task:
    """A process of the adder: a coroutine that advances from one await point to the next.

    Args:
        store: the server that its statements go to.
        work: what it does.
    """

    def __init__(self, store: AdderStore, work: Coroutine[Any, Any, None]) -> None:
        self._store = store
        self._work = work
        self._call: Call | None = None
        self._sleep: Sleep | None = None
        self._session: Session | None = None
        """Of the last statement."""
        self._asked: set[int] = set()
        """The x of additions that it has asked to be stored or remembered since its last commit."""
        self._is_committing = False
        """Its last statement is one that may commit, and is not answered."""
        self._reply: Any = None
        self._error: psycopg.Error | None = None
        self._is_executed = True
        self.is_finished = False

    def execute(self) -> bool:
        """Let the server run the statement that is on its way; return False if there is none, or it has to wait."""
        if self._is_executed or self._call is None:
            return False
        try:
            if self._call.session.is_abandoned:
                raise broken_connection()
            self._reply = self._store.execute(self._call.session, self._call.query, self._call.parameters)
        except psycopg.Error as error:
            self._error = error
        except Blocked:
            return False
        self._is_executed = True
        return True

    def deliver(self) -> None:
        """Give the process its answer, and let it run to its next await point."""
        reply, error, self._reply, self._error = self._reply, self._error, None, None
        if self._is_committing and error is None:
            self._is_committing = False
            self._asked.clear()
        try:
            awaited = self._work.throw(error) if error else self._work.send(reply)
        except StopIteration:
            self.is_finished = True
            return
        self._call = self._sleep = None
        if isinstance(awaited, Call):
            self._note(awaited)
            self._call, self._session, self._is_executed = awaited, awaited.session, False
        elif awaited is not None:
            self._sleep = awaited

    def _note(self, call: Call) -> None:
        if call.session is not self._session:
            self._asked.clear()
        self._is_committing = False
        match call.query:
            case "COMMIT":
                self._is_committing = True
            case SQL.store_group:
                self._asked.update(parsed(call.parameters["xs"]))
                self._is_committing = not call.session.in_transaction
            case SQL.remember_requests:
                self._asked.update(call.parameters["xs"])

    def may_have_committed(self, x: int) -> bool:
        """Tell whether the last that it sent may have stored an addition."""
        return self._is_committing and x in self._asked

    @property
    def is_awake(self) -> bool:
        """Tell whether it would go on if it could: it has a statement on its way, or no reason to wait."""
        return not self.is_finished and (self._sleep is None or self._sleep.is_over)

    def step(self) -> bool:
        """Execute what is pending and deliver its answer; return whether it could go on."""
        if self._sleep is not None and not self._sleep.is_over:
            return False
        if self.is_finished or not (self._is_executed or self.execute()):
            return False
        self.deliver()
        return True

    def run_until_idle(self) -> bool:
        """Step until it sleeps, or waits for another session's lock; return whether it did anything."""
        for taken in range(STATEMENTS_LIMIT):
            if not self.step():
                return taken > 0
        return True

    def stopped_at(self) -> Iterable[tuple[CodeType, int]]:
        """Return code and line of each function that it is in."""
        return crash_points.stopped_at(self._work)

    def close(self) -> None:
        """End the process for good."""
        self._work.close()

    def cut(self) -> Call | None:
        """Cut the connection, before the process knows of it; return the statement that the server may still run."""
        if self._session:
            self._session.is_abandoned = True
        if self._call is None:
            return None
        stray = None if self._is_executed else self._call
        self._reply, self._error, self._is_executed = None, broken_connection(), True
        return stray
