"""The processes of the adder: coroutines that go from one await point to the next, and may stop there for ever."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from sumflow.adder.claims import Lane
from tests.simulation.adder_store import AdderStore, Session
from tests.simulation.storage import Blocked, Rows, broken_connection

STATEMENTS_LIMIT: Final = 12
"""As many steps at most are taken at once."""
IDLE_PAUSES: Final = 2


@dataclass(slots=True, eq=False)
class Call:
    """A statement on its way to the server, or its answer on the way back."""

    session: Session
    query: str
    parameters: dict[str, Any]

    def __await__(self) -> Generator[Call, Any, Any]:
        return (yield self)


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Wait for some time."""
    yield None


class Connection:
    """The client's side of a session with the adder's database."""

    def __init__(self, store: AdderStore, *, synchronous: bool = True) -> None:
        self._store = store
        self._session = store.connect(synchronous=synchronous)
        self._kind: Callable[..., Any] | None = None
        self._rows: Rows = []
        self.rowcount = -1
        self.description = True

    def cursor(self, *, row_factory: object = None, binary: bool = False) -> Connection:
        """Return a cursor; one at a time is in use."""
        self._kind = Lane if row_factory else None
        return self

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def execute(
        self, query: str, parameters: dict[str, Any] | None = None, *, prepare: bool | None = None
    ) -> Connection:
        """Run a statement."""
        self._rows, self.rowcount = await Call(self._session, query, parameters or {})
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows."""
        return [self._kind(*row) for row in self._rows] if self._kind else self._rows

    async def fetchone(self) -> Any:
        """Return the first row, if there is one."""
        return self._rows[0] if self._rows else None

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
        self._session: Session | None = None
        """Of the last statement."""
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
        if not self._is_executed or self.is_finished:
            return
        reply, error, self._reply, self._error = self._reply, self._error, None, None
        try:
            self._call = self._work.throw(error) if error else self._work.send(reply)
            self._is_executed = self._call is None
            if self._call:
                self._session = self._call.session
        except StopIteration:
            self.is_finished = True

    def step(self) -> None:
        """Execute what is pending and deliver its answer."""
        self.execute()
        self.deliver()

    def run_until_idle(self) -> None:
        """Step until it pauses twice without having asked the server anything in between."""
        pauses = 0
        for _ in range(STATEMENTS_LIMIT):
            self.step()
            pauses = pauses + 1 if self._call is None else 0
            if pauses == IDLE_PAUSES:
                return

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
