"""Committed tables in memory that remember their history, so that a crash and a stale replica can take commits back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import psycopg

from tests.simulation.clock import CLOCK

Rows = list[tuple[Any, ...]]
Table = dict[Any, Any]
Write = tuple[Table, Any, Any]
"""Table, key, new value; the value None deletes."""
PARSED_LIMIT: Final = 10_000
"""Arrays of one history are much like those of others: most are not parsed again."""


@lru_cache(PARSED_LIMIT)
def parsed(array: str) -> tuple[Any, ...]:
    """Read an array that `sumflow.database.arrays` wrote; without its braces it is as JSON writes a list."""
    return tuple(json.loads(f"[{array[1:-1]}]"))


class Blocked(Exception):  # noqa: N818 - not a failure: the statement waits for another session
    """The statement has to wait; nothing of it is done."""


class Violation(AssertionError):  # noqa: N818 - what a history ends in when the protocol is broken
    """A rule of the protocol is broken."""


ANNOUNCED_SHARE: Final = 0.3


def broken_connection() -> psycopg.OperationalError:
    """Return the error of a connection that is gone: libpq's, without an SQLSTATE, or that of a server that stops."""
    if CLOCK.random.random() < ANNOUNCED_SHARE:
        return psycopg.errors.AdminShutdown("terminating connection due to administrator command")
    return psycopg.OperationalError("the connection is lost")


class Journal:
    """The committed transactions of one database, newest last, each as what it replaced."""

    def __init__(self) -> None:
        self._transactions: list[tuple[list[Write], bool]] = []

    def commit(self, writes: Iterable[Write], *, synchronous: bool = True) -> None:
        """Apply a transaction; one that is not synchronous may be lost in a crash until a synchronous one follows."""
        undo: list[Write] = []
        for table, key, value in writes:
            undo.append((table, key, table.get(key)))
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        self._transactions.append((undo, synchronous))

    def crash(self, lost: int) -> None:
        """Lose at most so many transactions off the end, none that is on disk."""
        for _ in range(lost):
            if not self._transactions or self._transactions[-1][1]:
                return
            self._undo()

    def fall_behind(self, lost: int) -> list[tuple[Table, Any]]:
        """Become a replica that has not seen the last transactions; return which rows that changes."""
        changed = []
        for _ in range(min(lost, len(self._transactions))):
            changed += self._undo()
        return changed

    def _undo(self) -> list[tuple[Table, Any]]:
        undo, _ = self._transactions.pop()
        for table, key, value in reversed(undo):
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        return [(table, key) for table, key, _ in undo]
