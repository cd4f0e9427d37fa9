"""What a refused client hears about coming again, in the words that gRPC clients of any language read."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import grpc
import grpc.aio
import msgspec
import psycopg
import pytest

from sumflow import database
from sumflow.adder.comeback import LONGEST_S, SHORTEST_S, Pace, trailers
from sumflow.adder.requests import Refused
from sumflow.adder.writer import AWAY_RETRY_S
from sumflow.client.adder import Adder, open_channel
from sumflow.client.patience import told_s
from sumflow.settings import AdderSettings
from sumflow.sums.sum_pb2 import SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub
from tests.adder.support import add, rows, running_server, running_writer, until

LIMIT = 10


def test_the_pace_follows_the_commits() -> None:
    """The estimate is as many commits as the queue needs, each as slow as the last ones were."""
    pace = Pace(group=100)
    assert pace.drain_s(1_000) == SHORTEST_S
    for _ in range(50):
        pace.observe(0.2)
    assert [round(pace.drain_s(n), 3) for n in (1, 100, 101, 1_000)] == [0.2, 0.2, 0.4, 2.0]
    assert pace.drain_s(10**9) == LONGEST_S
    for _ in range(50):
        pace.observe(0.001)
    assert pace.drain_s(1_000) == SHORTEST_S


def test_what_cannot_be_repeated_says_nothing_about_it() -> None:
    """Only a refusal with a time has RetryInfo and pushback."""
    assert trailers(Refused(grpc.StatusCode.INVALID_ARGUMENT, "wrong")) == ()
    names = [name for name, _ in trailers(Refused(grpc.StatusCode.UNAVAILABLE, "later", 0.5))]
    assert names == ["grpc-retry-pushback-ms", "grpc-status-details-bin"]


def add_one(settings: AdderSettings) -> grpc.RpcError | None:
    """Call once, as any client would; return how it failed."""
    with open_channel(settings.grpc_listen) as channel:
        stub = SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            stub.SumNumbers(SumNumbersRequest(x=1, y=1), timeout=10)
        except grpc.RpcError as error:
            return error
    return None


@pytest.mark.anyio
@pytest.mark.integration
async def test_a_full_queue_asks_for_a_pause_and_our_client_keeps_it(settings: AdderSettings) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo; the client that comes back then is served, and nothing counts twice."""
    small = msgspec.structs.replace(settings, adder_max_pending=LIMIT, adder_commit_timeout_s=60)
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(running_writer(small))
        await stack.enter_async_context(running_server(small, writer))
        with psycopg.connect(database.conninfo(small, "blocker")) as blocker:
            blocker.execute("LOCK lanes")
            calls = []
            while writer._queue.additions < LIMIT:  # one commit takes some of them, and hangs
                calls.append(asyncio.create_task(add(writer, 1, 1)))
                await asyncio.sleep(0)
            refused = await asyncio.to_thread(add_one, small)
            assert refused is not None
            assert (refused.code(), told_s(refused) >= SHORTEST_S) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
            heard: list[str] = []
            client = stack.enter_context(Adder(small.grpc_listen, on_wait=heard.append))
            repeated = asyncio.create_task(asyncio.to_thread(client.add, 2, 3))
            await until(lambda: heard)
        assert (await repeated).sum == 5
        await asyncio.gather(*calls)
    assert rows(small, "SELECT count, sum FROM lanes") == [(len(calls) + 1, 2 * len(calls) + 5)]


@pytest.mark.anyio
@pytest.mark.integration
async def test_a_database_that_is_away_asks_for_a_pause_too(settings: AdderSettings) -> None:
    """UNAVAILABLE carries RetryInfo while there is no lane to write to."""
    async with running_writer(settings) as writer:
        pass
    async with running_server(settings, writer):
        refused = await asyncio.to_thread(add_one, settings)
    assert refused is not None
    assert (refused.code(), told_s(refused) >= AWAY_RETRY_S) == (grpc.StatusCode.UNAVAILABLE, True)
