"""A relay at work: publishes committed additions to Kafka, lane by lane, in order, without gaps.

Who may publish a lane is decided by an advisory lock (2, number) of this relay's PostgreSQL session. When that session
is lost, so are its claims; what its producer still has on the way may reach Kafka beside the next relay's messages,
which is harmless (see publisher): duplicates, never gaps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final

import psycopg
import structlog

from sumflow import database
from sumflow.adder.claims import Lane, choose
from sumflow.adder.lanes import Claim
from sumflow.adder.metrics import RelayMetrics
from sumflow.adder.processes import set_within
from sumflow.adder.publisher import Publisher, Row
from sumflow.settings import RelaySettings

CHUNK_EVENTS: Final = 2_000
QUERY_TIMEOUT_S: Final = 10.0
FLUSH_S: Final = 3.0

SQL = database.queries("sumflow.adder")
_log = structlog.get_logger()


class RelaySession:
    """One session of a relay with PostgreSQL, and the claims that live and die with it.

    Args:
        settings: of the relay.
        metrics: where to count.
        wake: is set when there is something to do: a commit, an acknowledgement, a failure, a stop.
        stopping: is set when the relay shall end.
    """

    def __init__(
        self, settings: RelaySettings, metrics: RelayMetrics, wake: asyncio.Event, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._wake = wake
        self._stopping = stopping
        self._produced = metrics.produced.labels(settings.kafka_topic, "success")
        self._claims: dict[int, Claim] = {}
        self._dirty: set[int] = set()
        self._watched: frozenset[int] = frozenset()
        """Unclaimed when the last survey looked."""
        self._others: frozenset[int] = frozenset()
        """Not ours, when the last survey looked."""
        self.has_progressed = False
        self._survey_at = 0.0

    def problems(self) -> list[str]:
        """Return why lanes cannot be published."""
        return [claim.problem for claim in self._claims.values() if claim.problem]

    async def run(self, publisher: Publisher, partitions: int) -> None:
        """Publish until told to stop, or until the producer fails; raise psycopg.Error when the session is lost."""
        async with AsyncExitStack() as stack:
            # Losing the last record of what is published costs duplicates, nothing else: no need to wait for the disk.
            connection = await stack.enter_async_context(await self._connect("relay", synchronous_commit="off"))
            self._cursor = connection.cursor(binary=True)
            listener = await stack.enter_async_context(await self._connect("relay listener"))
            await listener.execute(SQL.listen)
            await _until_one_ends(self._publish(publisher, partitions), self._listen(listener))

    async def _connect(self, name: str, **parameters: str) -> psycopg.AsyncConnection:
        info = database.conninfo(self._settings, f"{name} {self._settings.instance}", **parameters)
        return await psycopg.AsyncConnection.connect(info, autocommit=True)

    async def _listen(self, listener: psycopg.AsyncConnection) -> None:
        async for notice in listener.notifies():
            number = int(notice.payload)
            if number in self._claims:
                self._dirty.add(number)
            elif number not in self._others:
                self._survey_at = 0.0  # a lane that is new to us; if it is our adder's, it is claimed at once
            self._wake.set()

    async def _publish(self, publisher: Publisher, partitions: int) -> None:
        while not self._stopping.is_set() and publisher.failure is None:
            self._wake.clear()
            if time.monotonic() >= self._survey_at:
                self._survey_at = time.monotonic() + self._settings.relay_adoption_interval_s
                await self._survey(partitions)
            sent = await self._send(publisher)
            await self._record()
            if not (sent and self._dirty):
                await set_within(self._wake, self._survey_at - time.monotonic())
        await asyncio.to_thread(publisher.flush, FLUSH_S if publisher.failure is None else 0)
        await self._record()

    async def _send(self, publisher: Publisher) -> bool:
        """Send one chunk of each lane that has news; return whether there was room for it."""
        for number in sorted(self._dirty):
            if not publisher.has_room():
                return False
            self._dirty.discard(number)  # before reading: what is committed after it says so again
            if (claim := self._claims.get(number)) and claim.problem is None:
                await self._send_chunk(publisher, claim)
        return True

    async def _send_chunk(self, publisher: Publisher, claim: Claim) -> None:
        rows: list[Row] = await self._query(
            SQL.read_events, {"number": claim.number, "after": claim.sent_seq, "limit": CHUNK_EVENTS}
        )
        if not rows:
            return
        # One session writes a lane, so what is visible of it is always a prefix. Anything else was done by hand.
        if [row[0] for row in rows] != list(range(claim.sent_seq + 1, claim.sent_seq + 1 + len(rows))):
            claim.problem = f"lane {claim.lane}: the outbox does not continue at seq {claim.sent_seq + 1}"
            _log.error("lane stopped", reason=claim.problem)
            return
        publisher.publish(claim, rows)
        if len(rows) == CHUNK_EVENTS or claim.sent_seq < rows[-1][0]:
            self._dirty.add(claim.number)

    async def _record(self) -> None:
        """Write down how far each lane is acknowledged; one statement for all."""
        moved = [(c, c.acknowledged.end) for c in self._claims.values() if c.acknowledged.end > c.published_seq]
        if not moved:
            return
        await self._query(
            SQL.record_published, {"numbers": [c.number for c, _ in moved], "seqs": [end for _, end in moved]}
        )
        self.has_progressed = True
        for claim, end in moved:
            self._produced.inc(end - claim.published_seq)
            claim.published_seq = end

    async def _survey(self, partitions: int) -> None:
        found = await self._query(SQL.survey, {"schema": database.newest_migration("sumflow.adder")})
        lanes = [Lane(*row) for row in found]
        choice = choose(lanes, self._settings.instance, self._watched)
        self._watched = choice.watch
        for lane in choice.claim:
            await self._claim(lane, partitions)
        self._others = frozenset(lane.number for lane in lanes).difference(self._claims)
        for lane in lanes:
            if claim := self._claims.get(lane.number):
                claim.closed = lane.closed
                if lane.last_seq > claim.sent_seq:  # a notification that was lost costs a survey's interval
                    self._dirty.add(lane.number)
        await self._close_and_finish()
        self._metrics.claimed.set(len(self._claims))
        mine = {lane.number: lane.last_seq for lane in lanes if lane.number in self._claims}
        self._metrics.unpublished.set(sum(max(0, end - self._claims[n].published_seq) for n, end in mine.items()))

    async def _claim(self, lane: Lane, partitions: int) -> None:
        if not (await self._query(SQL.claim, {"number": lane.number}))[0][0]:
            return
        # Only now, under the lock: the relay before us may have published since the survey looked.
        rows = await self._query(SQL.fix_partition, {"number": lane.number, "partitions": partitions})
        partition, published_seq = rows[0]
        self._claims[lane.number] = Claim(lane.number, lane.lane, partition, published_seq)
        self._dirty.add(lane.number)
        if lane.owner != self._settings.instance:
            self._metrics.adopted.inc()
        _log.info("lane claimed", lane=str(lane.lane), owner=lane.owner, partition=partition, published=published_seq)

    async def _close_and_finish(self) -> None:
        """Close the lanes whose writer is gone, and let go of those that are published to their end."""
        if open_lanes := [claim.number for claim in self._claims.values() if not claim.closed]:
            for (number,) in await self._query(SQL.close_abandoned, {"numbers": open_lanes}):
                _log.info("lane closed: its writer is gone", lane=str(self._claims[number].lane))
                self._dirty.add(number)
        if closed := [claim.number for claim in self._claims.values() if claim.closed]:
            for (number,) in await self._query(SQL.finish_drained, {"numbers": closed}):
                _log.info("lane drained", lane=str(self._claims.pop(number).lane))
                self._dirty.discard(number)
                await self._query(SQL.release, {"number": number})

    async def _query(self, query: str, parameters: dict[str, Any]) -> list[Any]:
        async with asyncio.timeout(QUERY_TIMEOUT_S):
            await self._cursor.execute(query, parameters, prepare=True)
            return await self._cursor.fetchall() if self._cursor.description else []


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run works side by side; when one ends, cancel the others, and raise what the first of them raised, if any."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
