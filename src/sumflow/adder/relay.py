"""Keeps a relay at work: one session after another, each with its own producer, and the outbox's upkeep beside it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import psycopg
import structlog

from sumflow import database
from sumflow.adder import outbox
from sumflow.adder.metrics import RelayMetrics
from sumflow.adder.processes import set_within
from sumflow.adder.publisher import Publisher
from sumflow.adder.relay_session import RelaySession
from sumflow.errors import SumflowError
from sumflow.settings import RelaySettings

MAINTENANCE_INTERVAL_S: Final = 3600.0
MAINTENANCE_RETRY_S: Final = 60.0
TOPIC_CHECK_INTERVAL_S: Final = 5.0

_log = structlog.get_logger()


class Relay:
    """Publishes until stopped, and comes back by itself from whatever fails.

    Args:
        settings: of the relay.
        metrics: where to count.
    """

    def __init__(self, settings: RelaySettings, metrics: RelayMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._session: RelaySession | None = None
        self._publisher: Publisher | None = None
        self._problem: str | None = "not started yet"
        self._topic_problem: str | None = None

    def problem(self) -> str | None:
        """Return why not everything can be published now, or None."""
        lanes = self._session.problems() if self._session else []
        return self._problem or self._topic_problem or (lanes[0] if lanes else None)

    def stop(self) -> None:
        """Let `run` end: what is sent is awaited and recorded, what is not waits for the next relay."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Publish until `stop` is called."""
        backoff = database.Backoff()
        upkeep = asyncio.create_task(self._keep_up())
        while not self._stopping.is_set():
            session = RelaySession(self._settings, self._metrics, self._wake, self._stopping)
            try:
                await self._publish(session)
            except (psycopg.Error, OSError, TimeoutError, SumflowError) as error:
                self._problem = _one_line(error)
                _log.warning("not publishing", reason=self._problem)
            if session.has_progressed:
                backoff.reset()
            await set_within(self._stopping, backoff.next_s())
        upkeep.cancel()
        await asyncio.gather(upkeep, return_exceptions=True)

    async def _publish(self, session: RelaySession) -> None:
        await asyncio.to_thread(database.migrate, self._settings, "sumflow.adder")
        loop = asyncio.get_running_loop()
        publisher = Publisher(
            self._settings.kafka_bootstrap_servers,
            self._settings.kafka_topic,
            self._metrics,
            lambda: _call_soon(loop, self._wake),
        )
        self._publisher = publisher
        watching = asyncio.create_task(self._watch_topic(publisher))
        try:
            partitions = await asyncio.to_thread(publisher.partitions)
            self._session, self._problem = session, None
            await session.run(publisher, partitions)
            if publisher.failure:
                self._metrics.restarts.inc()
                raise SumflowError(
                    "a delivery failed; everything after the acknowledged part is sent again", why=publisher.failure
                )
        finally:
            self._session = None
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.to_thread(publisher.close)

    async def _watch_topic(self, publisher: Publisher) -> None:
        """Know whether Kafka can be reached without waiting for a delivery to say so."""
        while True:
            await asyncio.sleep(TOPIC_CHECK_INTERVAL_S)
            try:
                await asyncio.to_thread(publisher.partitions)
                self._topic_problem = None
            except SumflowError as error:
                self._topic_problem = _one_line(error)

    async def _keep_up(self) -> None:
        """Make and drop the outbox's days, at the start and every hour."""
        while True:
            began = time.monotonic()
            try:
                await outbox.maintain(self._settings, self._settings.outbox_retention_days)
                delay_s = MAINTENANCE_INTERVAL_S
            except (psycopg.Error, OSError, TimeoutError) as error:
                _log.warning("outbox not maintained", reason=_one_line(error), after_s=time.monotonic() - began)
                delay_s = MAINTENANCE_RETRY_S
            await asyncio.sleep(delay_s)


def _call_soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)


def _one_line(error: Exception) -> str:
    why = f": {error.why}" if isinstance(error, SumflowError) and error.why else ""
    return " ".join(f"{error or type(error).__name__}{why}".split())
