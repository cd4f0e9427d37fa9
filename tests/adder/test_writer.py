"""A request is answered after its commit and never before, whatever PostgreSQL does meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import msgspec
import pytest

from sumflow.adder import requests
from sumflow.adder.requests import Refused
from sumflow.adder.session import LaneSession
from sumflow.adder.writer import Writer
from sumflow.settings import AdderSettings
from sumflow.sums.numbers import INT64_MAX
from tests.adder.proxy import Proxy
from tests.adder.support import add, rows, running_writer, until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture
async def proxy(settings: AdderSettings) -> AsyncIterator[Proxy]:
    """A network in front of PostgreSQL that this test can break."""
    async with Proxy(settings.postgres_address) as proxy:
        yield proxy


def behind(proxy: Proxy, settings: AdderSettings, commit_timeout_s: float = 5.0) -> AdderSettings:
    """Settings of an adder that reaches its database through the proxy."""
    return msgspec.structs.replace(settings, postgres_address=proxy.address, adder_commit_timeout_s=commit_timeout_s)


async def is_unavailable(writer: Writer) -> str:
    """Add one pair; return the message of the UNAVAILABLE that it must get."""
    with pytest.raises(Refused) as refused:
        await add(writer, 1, 1)
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    return refused.value.message


async def test_what_is_answered_is_stored_with_contiguous_seqs(settings: AdderSettings) -> None:
    """Concurrent requests share commits; each has its place, and the lane's row adds up to its events."""
    async with running_writer(settings) as writer:
        positions = await asyncio.gather(*(add(writer, n, -1) for n in range(500)))
        commits = len({created for (created,) in rows(settings, "SELECT created_at FROM events")})
    assert sorted(position.seq for position in positions) == list(range(1, 501))
    stored = dict(rows(settings, "SELECT seq, x FROM events"))
    assert all(stored[position.seq] == n for n, position in enumerate(positions))
    expected = sum(range(500)) - 500
    assert rows(settings, "SELECT last_seq, count, sum FROM lanes") == [(500, 500, expected)]
    assert commits < 500


async def test_a_stop_answers_what_waits_and_closes_the_lane(settings: AdderSettings) -> None:
    """What was submitted before the stop is stored; the lane is closed, not left to a relay to find."""
    async with running_writer(settings) as writer:
        waiting = [asyncio.create_task(add(writer, 1, 1)) for _ in range(300)]
        await asyncio.sleep(0)
    assert len({(await task).seq for task in waiting}) == 300
    assert rows(settings, "SELECT last_seq, closed_at IS NOT NULL FROM lanes") == [(300, True)]


async def test_a_lane_that_somebody_else_moved_is_abandoned(settings: AdderSettings) -> None:
    """A failed compare-and-set stores nothing, says so, and the next request goes to a new lane."""
    async with running_writer(settings) as writer:
        first = await add(writer, 1, 1)
        rows(settings, "UPDATE lanes SET last_seq = 2, count = 2")
        assert "nothing of this request is stored" in await is_unavailable(writer)
        await until(lambda: writer.problem() is None)
        second = await add(writer, 1, 1)
    assert (second.lane == first.lane, second.seq) == (False, 1)
    assert rows(settings, "SELECT count(*) FROM events") == [(2,)]


async def test_a_lane_that_was_closed_takes_nothing_more(settings: AdderSettings) -> None:
    """After a relay closed a lane its end is final, even if its writer lives after all."""
    async with running_writer(settings) as writer:
        await add(writer, 1, 1)
        rows(settings, "UPDATE lanes SET closed_at = now()")
        await is_unavailable(writer)
        await until(lambda: writer.problem() is None)
    assert rows(settings, "SELECT last_seq FROM lanes ORDER BY number") == [(1,), (0,)]


async def test_an_unanswered_commit_is_called_unknown(settings: AdderSettings, proxy: Proxy) -> None:
    """The server commits, its answer is lost: the caller hears that nobody knows, and a retry with the id is told."""
    async with running_writer(behind(proxy, settings, commit_timeout_s=0.5)) as writer:
        proxy.swallow_commit_answer = True
        with pytest.raises(Refused, match="is not known"):
            await add(writer, 20, 22, "first")
        await until(lambda: rows(settings, "SELECT 1 FROM events"))
        proxy.restore()
        await until(lambda: writer.problem() is None)
        again = await add(writer, 20, 22, "first")
    assert again.seq == 1
    assert rows(settings, "SELECT lane = (SELECT lane FROM requests), sum FROM lanes WHERE count > 0") == [(True, 42)]


@pytest.mark.parametrize("request_id", ["", "id"])
async def test_what_the_server_refuses_is_not_called_unknown(settings: AdderSettings, request_id: str) -> None:
    """An error that the server reports means that it rolled back: nothing is stored, and the caller hears that."""
    async with running_writer(settings) as writer:
        rows(settings, "ALTER TABLE events ADD CONSTRAINT made_up CHECK (x <> 13)")
        with pytest.raises(Refused, match="nothing of this request is stored"):
            await add(writer, 13, 1, request_id)
        rows(settings, "ALTER TABLE events DROP CONSTRAINT made_up")
        await until(lambda: writer.problem() is None)
        assert (await add(writer, 13, 1, request_id)).seq == 1


async def test_a_commit_is_on_disk_before_it_is_answered(settings: AdderSettings) -> None:
    """The session does not ask the server for less: what it acknowledges outlives a power failure."""
    async with running_writer(settings):
        session = await LaneSession.open(settings)
        shown = await (await session._connection.execute("SHOW synchronous_commit")).fetchone()
        await session.discard()
    assert shown == ("on",)


async def test_a_frozen_server_is_unavailable_quickly(settings: AdderSettings, proxy: Proxy) -> None:
    """Callers wait for the commit timeout at most, later ones not at all; a server that comes back is used again."""
    async with running_writer(behind(proxy, settings, commit_timeout_s=2)) as writer:
        await add(writer, 1, 1)
        proxy.stall()
        began = time.monotonic()
        waiting = [asyncio.create_task(is_unavailable(writer)) for _ in range(20)]
        await asyncio.gather(*waiting)
        assert time.monotonic() - began < 20
        began = time.monotonic()
        await is_unavailable(writer)
        assert time.monotonic() - began < 2, "it waited as long as a commit may take"
        proxy.restore()
        await until(lambda: writer.problem() is None)
        assert (await add(writer, 1, 1)).seq == 1


async def test_a_process_that_stood_still_keeps_its_lane(settings: AdderSettings) -> None:
    """The server answers a commit while the adder gets no CPU for longer than the timeout: that is not the server's."""
    async with running_writer(msgspec.structs.replace(settings, adder_commit_timeout_s=2)) as writer:
        adding = asyncio.create_task(add(writer, 1, 1))
        while not writer._queue.additions:
            await asyncio.sleep(0)
        while writer._queue.additions:
            await asyncio.sleep(0)
        time.sleep(2.5)
        assert (await adding).seq == 1
    assert rows(settings, "SELECT count FROM lanes") == [(1,)]


async def test_an_idle_writer_notices_that_the_server_is_gone(settings: AdderSettings, proxy: Proxy) -> None:
    """Readiness does not need a request to fail first."""
    async with running_writer(behind(proxy, settings, commit_timeout_s=0.3)) as writer:
        proxy.stall()
        assert await until(writer.problem)
        proxy.restore()


async def test_connections_that_are_cut_are_opened_again(settings: AdderSettings, proxy: Proxy) -> None:
    """Under load and cut again and again: every acknowledged addition is stored once, and no other is counted twice."""
    acknowledged: list[int] = []

    async def caller(writer: Writer, number: int) -> None:
        for n in range(60):
            try:
                await add(writer, number * 1000 + n, 0)
            except Refused:
                await until(lambda: writer.problem() is None)
            else:
                acknowledged.append(number * 1000 + n)

    async with running_writer(behind(proxy, settings)) as writer:
        calls = asyncio.gather(*(caller(writer, number) for number in range(10)))
        for _ in range(4):
            await asyncio.sleep(0.05)
            proxy.drop()
        await calls
    stored = [x for (x,) in rows(settings, "SELECT x FROM events")]
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert rows(settings, "SELECT sum(count) FROM lanes") == [(len(stored),)]


async def test_more_than_the_limit_may_not_wait(settings: AdderSettings) -> None:
    """The queue refuses what is beyond its limit at once; what it took is stored."""
    async with running_writer(msgspec.structs.replace(settings, adder_max_pending=100)) as writer:
        outcomes = await asyncio.gather(*(add(writer, 1, 1) for _ in range(1000)), return_exceptions=True)
    refused = [o for o in outcomes if isinstance(o, Refused)]
    assert refused
    assert {r.code for r in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert rows(settings, "SELECT count(*) FROM events") == [(1000 - len(refused),)]


async def test_callers_that_gave_up_make_room(settings: AdderSettings) -> None:
    """A stream that waits for room goes on when all that filled the queue were cancelled, without another commit."""
    async with running_writer(msgspec.structs.replace(settings, adder_max_pending=1)) as writer:
        given_up = asyncio.create_task(add(writer, 1, 1))
        patient = requests.batch([2], [2], "", None)
        waiting = asyncio.create_task(writer.enqueue(patient))
        await asyncio.sleep(0)
        given_up.cancel()
        async with asyncio.timeout(10):
            await waiting
            assert (await patient.answer).seq == 1
    assert rows(settings, "SELECT x FROM events") == [(2,)]


async def test_a_lanes_sum_may_exceed_64_bits(settings: AdderSettings) -> None:
    """Each addition fits 64 bits, their total need not."""
    async with running_writer(settings) as writer:
        await writer.submit(requests.batch([INT64_MAX] * 10_000, [0] * 10_000, "", None))
    assert rows(settings, "SELECT sum FROM lanes") == [(INT64_MAX * 10_000,)]


async def test_a_database_that_is_away_at_the_start_is_waited_for(settings: AdderSettings, proxy: Proxy) -> None:
    """The adder starts without its database, refuses, and opens a lane by itself when the database comes."""
    proxy.stall()
    async with asyncio.timeout(20):
        started = running_writer(behind(proxy, settings))
        opening = asyncio.ensure_future(started.__aenter__())
        await asyncio.sleep(0.3)
        assert not opening.done()
        proxy.restore()
        writer = await opening
        assert (await add(writer, 1, 1)).seq == 1
        await started.__aexit__(None, None, None)
