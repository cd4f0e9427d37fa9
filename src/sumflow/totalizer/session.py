"""The consumer's one session with PostgreSQL: opened when needed, given up at any doubt, never waited on for ever."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from sumflow.database import conninfo
from sumflow.settings import ServiceSettings

TRANSACTION_LIMIT_S: Final = 10.0


class Session:
    """Transactions on one connection.

    A server that froze keeps its sockets open, so that no timeout of TCP or of the server applies: a watchdog cuts the
    socket of a transaction that lasts longer than `limit_s`, and the transaction ends with an OperationalError.
    """

    def __init__(self, settings: ServiceSettings, application: str, limit_s: float = TRANSACTION_LIMIT_S) -> None:
        limit_ms = str(int(limit_s * 1000))
        self._conninfo = conninfo(
            settings, application, statement_timeout=limit_ms, idle_in_transaction_session_timeout=limit_ms
        )
        self._limit_s = limit_s
        self._connection: Connection[TupleRow] | None = None
        self._watchdog = _Watchdog()

    @contextmanager
    def transaction(self) -> Iterator[Connection[TupleRow]]:
        """Run one transaction; after any error the session starts anew.

        Raises:
            psycopg.Error: the transaction failed; if that was in its commit, its outcome is unknown.
        """
        try:
            connection = self._open()
            with self._watchdog.guard(connection.fileno(), self._limit_s), connection.transaction():
                yield connection
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection up, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection[TupleRow]:
        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
        return self._connection


class _Watchdog:
    """Cuts a socket that is guarded for too long; one thread, asleep while nothing is guarded."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._guarded: tuple[float, int] | None = None
        self._asleep = False
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def guard(self, descriptor: int, limit_s: float) -> Iterator[None]:
        """Cut the socket if the block lasts longer than `limit_s`."""
        self._set((time.monotonic() + limit_s, descriptor))
        try:
            yield
        finally:
            self._set(None)

    def _set(self, guarded: tuple[float, int] | None) -> None:
        with self._changed:
            self._guarded = guarded
            # A thread that waits for an earlier deadline finds this one by itself: no wake-up for every transaction.
            if guarded and self._asleep:
                self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while True:
                if self._guarded is None:
                    self._asleep = True
                    self._changed.wait()
                    self._asleep = False
                elif (left_s := self._guarded[0] - time.monotonic()) > 0:
                    self._changed.wait(left_s)
                else:
                    cut(self._guarded[1])
                    self._guarded = None


def cut(descriptor: int) -> None:
    """Shut a socket down without closing the descriptor, which belongs to libpq; one that is down already is left."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
