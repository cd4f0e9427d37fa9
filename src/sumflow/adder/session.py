"""A writer's session with PostgreSQL and the lane that lives and dies with it.

Each session opens a lane of its own. So a (lane, seq) can never be given out twice, not even after a fail-over to a
replica that had not seen the last commits: whoever connects there begins another lane.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Self
from uuid import UUID

import psycopg

from sumflow import database
from sumflow.adder.grouping import Known, Placed, columns, named, place, split_repeats, total
from sumflow.adder.requests import Refused, Request
from sumflow.database import array_of_numbers, array_of_texts
from sumflow.settings import AdderSettings
from sumflow.sums.event import Position

SQL = database.queries("sumflow.adder")
MAX_ROUNDS: Final = 8
"""How often a group is tried while other adders keep storing its request ids first."""

Outcomes = dict[Request, Position | Refused]


class LaneLostError(Exception):
    """The lane cannot be written by this session any more; what was being stored is not."""


class LaneSession:
    """An open lane: the only writer of its seq.

    Args:
        connection: a session of its own, which holds the lane's advisory lock (1, number).
        lane: the lane's identity in events.
        number: the lane's short name in the database.
    """

    def __init__(self, connection: psycopg.AsyncConnection, lane: UUID, number: int) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self.lane = lane
        self.number = number
        self.last_seq = 0
        """The end of what this session has stored."""
        self.outcome_is_open = False
        """A COMMIT was sent and not answered: the group may be stored or not."""

    @classmethod
    async def open(cls, settings: AdderSettings) -> Self:
        """Connect and open a lane; raise psycopg.Error if that fails."""
        connection = await psycopg.AsyncConnection.connect(
            # A writer that hangs inside a transaction must not hold up adders that were sent the same request ids.
            database.conninfo(settings, f"adder {settings.instance}", idle_in_transaction_session_timeout="10s"),
            autocommit=True,
        )
        try:
            lane = uuid.uuid4()
            cursor = await connection.execute(SQL.open_lane, {"lane": lane, "owner": settings.instance})
            row = await cursor.fetchone()
        except BaseException:
            await connection.close()
            raise
        return cls(connection, lane, row[0] if row else 0)

    async def store(self, group: Sequence[Request]) -> Outcomes:
        """Store a group in one transaction, and say what became of each request.

        Raises:
            LaneLostError: nothing was stored; the session is of no more use.
            psycopg.Error: the same, or, if `outcome_is_open`, nobody knows.
        """
        firsts, repeats = split_repeats(group)
        known: dict[str, Known] = {}
        for _ in range(MAX_ROUNDS):
            placed = place((request for request in firsts if request.request_id not in known), self.last_seq)
            if not placed or await self._commit(placed):
                return self._outcomes([*firsts, *repeats], placed, known)
            known |= await self._look_up(placed)
        raise LaneLostError("other adders are storing the same request ids at this moment")

    def _outcomes(self, requests: list[Request], placed: list[Placed], known: dict[str, Known]) -> Outcomes:
        outcomes: Outcomes = {item.request: Position(self.lane, item.last_seq) for item in placed}
        if repeats := [request for request in requests if request not in outcomes]:
            stored = {item.request.request_id: item.known(self.lane) for item in placed if item.request.request_id}
            known = known | stored
            outcomes |= {request: known[request.request_id].outcome_for(request) for request in repeats}
        return outcomes

    async def _commit(self, placed: list[Placed]) -> bool:
        """Return whether the group is stored; False if some request id was used before (nothing is stored then)."""
        with_id = [item for item in placed if item.request.request_id]
        try:
            if not with_id:
                self.outcome_is_open = True
                await self._insert(placed)  # a transaction by itself: one message to the server, one answer
            else:
                await self._cursor.execute("BEGIN")
                if not await self._remember(with_id):
                    await self._cursor.execute("ROLLBACK")
                    return False
                await self._insert(placed)
                self.outcome_is_open = True
                await self._cursor.execute("COMMIT")
        except psycopg.Error as error:
            self.outcome_is_open = self.outcome_is_open and _may_have_committed(error)
            raise
        self.outcome_is_open = False
        self.last_seq = placed[-1].last_seq
        return True

    async def _insert(self, placed: list[Placed]) -> None:
        additions, tallies = columns(placed), named(item.request for item in placed)
        parameters = {
            "number": self.number,
            "last_seq": self.last_seq,
            "count": placed[-1].last_seq - self.last_seq,
            "sum": Decimal(total(item.request for item in placed)),
            "created_at": datetime.now(UTC),
            "xs": additions.xs,
            "ys": additions.ys,
            "traceparents": additions.traceparents,
            "totals": additions.totals,
            "names": array_of_texts(tallies),
            "counts": array_of_numbers(tally.count for tally in tallies.values()),
            "sums": array_of_numbers(tally.sum for tally in tallies.values()),
        }
        await self._cursor.execute(SQL.store_group, parameters, prepare=True)
        if self._cursor.rowcount != 1:
            self.outcome_is_open = False
            raise LaneLostError(f"lane {self.lane} is closed, or somebody else wrote to it")

    async def _remember(self, placed: list[Placed]) -> bool:
        known = [item.known(self.lane) for item in placed]
        await self._cursor.execute(
            SQL.remember_requests,
            {
                "lane": self.lane,
                "ids": [item.request.request_id for item in placed],
                "seqs": [item.last_seq for item in placed],
                "digests": [item.digest for item in known],
                "xs": [item.x for item in known],
                "ys": [item.y for item in known],
                "totals": [item.total for item in known],
            },
        )
        return self._cursor.rowcount == len(placed)

    async def _look_up(self, placed: list[Placed]) -> dict[str, Known]:
        ids = [item.request.request_id for item in placed if item.request.request_id]
        await self._cursor.execute(SQL.known_requests, {"ids": ids})
        rows = await self._cursor.fetchall()
        return {
            request_id: Known(Position(lane, last_seq), digest, x, y, name)
            for request_id, lane, last_seq, digest, x, y, name in rows
        }

    async def probe(self) -> None:
        """Ask the server for a sign of life; raise psycopg.Error if there is none."""
        await self._cursor.execute("SELECT 1")

    async def close(self) -> None:
        """Close the lane for good, then the connection."""
        await self._cursor.execute(SQL.close_lane, {"number": self.number})
        await self._connection.close()

    def abandon(self) -> None:
        """End the session at once, without a word to a server that may not answer.

        Whoever waits for the server gets an error now. The server may still carry out what it was sent: it keeps the
        lane's lock until then, so that no relay closes the lane too early.
        """
        with (
            contextlib.suppress(psycopg.Error, OSError),
            socket.socket(fileno=os.dup(self._connection.fileno())) as peer,
        ):
            peer.shutdown(socket.SHUT_RDWR)

    async def discard(self) -> None:
        """Free what an abandoned session holds on this side."""
        await self._connection.close()


def _may_have_committed(error: psycopg.Error) -> bool:
    """Tell whether a commit that ended in this error may have happened all the same.

    An error that the server reports means that it rolled back; but a connection that broke, or a server that was told
    to stop (SQLSTATE class 57P), may have committed before.
    """
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
