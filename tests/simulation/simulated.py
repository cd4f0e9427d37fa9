"""Puts simulated time, identities and servers in the place of the real ones, for as long as a simulation runs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import psycopg

from sumflow.adder import publisher, relay_session, session, writer
from sumflow.audit import reading
from sumflow.database import backoff
from sumflow.recovery import rebuild
from sumflow.totalizer import consumer, records
from tests.simulation.clock import CLOCK
from tests.simulation.kafka import Consumer, Topic
from tests.simulation.processes import NOTHING
from tests.simulation.tasks import IMMEDIATELY, Connection, Immediate, Sleep
from tests.simulation.totalizer_store import Transactions

CHUNK_EVENTS: Final = 3
MAX_IN_FLIGHT: Final = 6
GARBAGE_LIMIT: Final = 20_000
_NOW: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


class _NoTimeout:
    def __aenter__(self) -> Immediate:
        return IMMEDIATELY

    def __aexit__(self, *_: object) -> Immediate:
        return IMMEDIATELY


_NO_TIMEOUT: Final = _NoTimeout()


def _set_within(event: asyncio.Event, limit_s: float) -> Sleep:
    return Sleep(event, CLOCK.now_s + limit_s)


async def _now(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


async def _connect(store: Any, **_: object) -> Connection:
    return Connection(store)


def _reading(books: Any, whose: str) -> Any:
    return books.connected(whose)


def _moment(_: tzinfo) -> datetime:
    return _NOW


def _facts(topic: Topic, _: str) -> Any:
    return topic.facts()


@contextmanager
def simulated() -> Iterator[None]:
    """Replace what the real code knows of the world."""
    time, moment = SimpleNamespace(now=_moment), publisher._rfc3339(_NOW)
    connections = SimpleNamespace(connect=_connect)
    brokers = SimpleNamespace(
        topic_facts=_facts,
        make_consumer=lambda settings: Consumer(settings.topic, settings.totals),
        make_admin=lambda settings: settings.topic,
    )
    replaced: list[tuple[Any, str, Any]] = [
        (session, "psycopg", SimpleNamespace(AsyncConnection=connections, Error=psycopg.Error)),
        (session, "database", SimpleNamespace(conninfo=lambda settings, *_, **__: settings.store)),
        (session, "uuid", CLOCK),
        (session, "datetime", time),
        (publisher, "datetime", time),
        (publisher, "_rfc3339", lambda _: moment),
        (publisher, "MAX_IN_FLIGHT", MAX_IN_FLIGHT),
        (relay_session, "asyncio", SimpleNamespace(timeout=lambda _: _NO_TIMEOUT, to_thread=_now)),
        (relay_session, "time", CLOCK),
        (relay_session, "CHUNK_EVENTS", CHUNK_EVENTS),
        (relay_session, "_log", NOTHING),
        (backoff, "random", CLOCK),
        (writer, "_log", NOTHING),
        (writer, "set_within", _set_within),
        (relay_session, "set_within", _set_within),
        (records, "UUID", CLOCK.read_uuid),
        (consumer, "_log", NOTHING),
        (consumer, "time", CLOCK),
        (consumer, "broker", brokers),
        (reading, "connected", _reading),
        (rebuild, "connected", _reading),
        (rebuild, "psycopg", SimpleNamespace(connect=lambda books, **_: books.writing(), Error=psycopg.Error)),
        (consumer, "Session", lambda settings, _: Transactions(settings.totals)),
    ]
    records.lane_identity.cache_clear()  # what it knows is of another world
    thresholds = gc.get_threshold()
    gc.set_threshold(GARBAGE_LIMIT)
    gc.freeze()  # what lives longer than a history is not looked at again and again
    with ExitStack() as stack:
        for module, name, stand_in in replaced:
            stack.enter_context(patch.object(module, name, stand_in))
        stack.callback(records.lane_identity.cache_clear)
        stack.callback(gc.unfreeze)
        stack.callback(gc.set_threshold, *thresholds)
        yield
