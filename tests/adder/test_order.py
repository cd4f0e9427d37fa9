"""The outbox's ordering trap: commits become visible in another order than they were numbered or begun in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from psycopg import AsyncConnection

from sumflow import database
from sumflow.adder import outbox, requests
from sumflow.adder.grouping import Placed, place
from sumflow.adder.session import LaneLostError, LaneSession
from sumflow.settings import AdderSettings
from tests.adder.support import published, relay_settings, rows, running_relay, until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


def one(x: int) -> list[requests.Request]:
    """Return a group of one addition."""
    return [requests.single(x, 0, "", None)]


def placed(session: LaneSession) -> list[Placed]:
    """Return an addition of 7 as the next of a session's lane."""
    return place(one(7), session.last_seq)


async def opened(settings: AdderSettings) -> LaneSession:
    """Open a lane, as each session of a writer does."""
    await asyncio.to_thread(database.migrate, settings, "sumflow.adder")
    await outbox.prepare(settings)
    return await LaneSession.open(settings)


async def test_a_late_commit_is_not_passed_over(
    settings: AdderSettings, kafka_bootstrap: str, make_topic: Callable[[int], str]
) -> None:
    """A transaction that began first and commits last is published all the same: each lane has a mark of its own."""
    relay = relay_settings(settings, kafka_bootstrap, make_topic(1))
    slow, quick = await opened(settings), await opened(settings)
    async with running_relay(relay):
        await until(lambda: len(rows(settings, "SELECT 1 FROM lanes WHERE partition = 0")) == 2)
        await slow._cursor.execute("BEGIN")
        await slow._insert(placed(slow))
        for x in range(1, 6):
            await quick.store(one(x))
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq = 5"))
        await slow._cursor.execute("COMMIT")
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq = 1"))
    assert published(kafka_bootstrap, relay.kafka_topic) == {(quick.lane, 0): [1, 2, 3, 4, 5], (slow.lane, 0): [1]}
    await slow.discard()
    await quick.discard()


async def test_a_lanes_second_writer_waits_and_then_loses(settings: AdderSettings) -> None:
    """Two sessions on one lane: the second waits for the first's commit, and stores nothing, so no seq overtakes."""
    first = await opened(settings)
    info = database.conninfo(settings, "second")
    second = LaneSession(await AsyncConnection.connect(info, autocommit=True), first.lane, first.number)
    await first._cursor.execute("BEGIN")
    await first._insert(placed(first))
    storing = asyncio.create_task(second.store(one(9)))
    waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'second' AND wait_event_type = 'Lock'"
    await until(lambda: rows(settings, waits))
    await first._cursor.execute("COMMIT")
    with pytest.raises(LaneLostError):
        await storing
    assert rows(settings, "SELECT seq, x FROM events") == [(1, 7)]
    await first.discard()
    await second.discard()


async def test_a_seq_beyond_the_next_is_refused_by_the_table(settings: AdderSettings) -> None:
    """Published beyond the end, or a count that is not the last seq: the lanes' own constraints say no."""
    session = await opened(settings)
    await session.store(one(1))
    for change in ("published_seq = 2", "last_seq = 2", "count = 2"):
        with pytest.raises(psycopg.errors.CheckViolation):
            rows(settings, f"UPDATE lanes SET {change}")  # noqa: S608, ours
    await session.discard()
