"""Processes are killed with -9 in the middle of a load; what was acknowledged is published, without gaps."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import grpc.aio
import httpx
import msgspec
import pytest

from sumflow.settings import AdderSettings, RelaySettings
from sumflow.sums.event import Position
from sumflow.sums.sum_pb2 import SumBatchRequest
from tests.adder.processes import process, ready
from tests.adder.support import has_gap, published, relay_settings, rows, until
from tests.adder.test_service import stub_of
from tests.ports import free_address

pytestmark = [pytest.mark.anyio, pytest.mark.integration, pytest.mark.slow]
REACHED = "SELECT 1 FROM lanes WHERE published_seq >= %s"
SENT_INTO_ENDED_STREAM = "Internal error from Core"
"""What grpc.aio itself says when a message that it sends meets the end of the stream before the status is there."""
DRAINED = "SELECT 1 WHERE NOT EXISTS (SELECT FROM lanes WHERE drained_at IS NULL)"


@pytest.fixture
def relay(settings: AdderSettings, kafka_bootstrap: str, make_topic: Callable[[int], str]) -> RelaySettings:
    """Settings of a relay, with a topic of this test's own."""
    return relay_settings(settings, kafka_bootstrap, make_topic(2))


async def send(settings: AdderSettings, batches: int, acknowledged: list[Position]) -> None:
    """Send batches of a hundred until done or until the adder is gone; keep the positions that were answered."""
    messages = [SumBatchRequest(x=[1] * 100, y=[1] * 100)] * batches
    async with grpc.aio.insecure_channel(str(settings.grpc_listen)) as channel:
        try:
            async for answer in stub_of(channel).SumBatches(iter(messages)):
                acknowledged.append(Position.parse(answer.position))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE and error.details() != SENT_INTO_ENDED_STREAM:
                raise


def check_topic(relay: RelaySettings, settings: AdderSettings) -> None:
    """The topic holds each lane up to its end in the database, in one partition, without gaps."""
    found = published(relay.kafka_bootstrap_servers, relay.kafka_topic)
    ends = {lane: end for lane, end in rows(settings, "SELECT lane, last_seq FROM lanes") if end}
    assert {lane: max(seqs) for (lane, _), seqs in found.items()} == ends
    assert len(found) == len(ends)
    assert not any(map(has_gap, found.values()))


async def test_a_relay_killed_in_the_middle_is_followed_without_a_gap(
    settings: AdderSettings, relay: RelaySettings
) -> None:
    """Three relays die in the middle of a lane; the fourth drains it."""
    acknowledged: list[Position] = []
    with process(settings) as adder:
        await ready(settings)
        await send(settings, 600, acknowledged)
        for part in (1, 15_000, 30_000):
            with process(relay) as running:
                await until(partial(rows, settings, REACHED, part))
                running.send_signal(signal.SIGKILL)
        with process(relay) as running:
            await until(partial(rows, settings, REACHED, 60_000))
            adder.send_signal(signal.SIGTERM)
            assert adder.wait(15) == 0
            await until(partial(rows, settings, DRAINED))
            running.send_signal(signal.SIGTERM)
            assert running.wait(10) == 0
    assert acknowledged[-1].seq == 60_000
    check_topic(relay, settings)


async def test_a_killed_adders_lane_is_adopted_and_drained(settings: AdderSettings, relay: RelaySettings) -> None:
    """Adder and relay of one pod die together under load; another pod's relay publishes all that was acknowledged."""
    acknowledged: list[Position] = []
    with process(settings) as adder, process(relay) as own_relay:
        await ready(settings)
        sending = asyncio.create_task(send(settings, 10_000, acknowledged))
        await until(lambda: len(acknowledged) > 50)
        own_relay.kill()
        adder.kill()
        await sending
    other = msgspec.structs.replace(relay, instance="adder-1", metrics_listen=free_address())
    with process(other):
        await until(partial(rows, settings, DRAINED))
    assert rows(settings, "SELECT closed_at IS NOT NULL, published_seq = last_seq FROM lanes") == [(True, True)]
    assert rows(settings, "SELECT last_seq FROM lanes")[0][0] >= acknowledged[-1].seq
    check_topic(relay, settings)


async def test_a_stopped_adder_loses_nothing_it_accepted(settings: AdderSettings) -> None:
    """SIGTERM under load: exit 0, the lane is closed, and every answer that was given stands."""
    acknowledged: list[Position] = []
    with process(settings) as adder:
        await ready(settings)
        sending = asyncio.create_task(send(settings, 10_000, acknowledged))
        await until(lambda: len(acknowledged) > 50)
        adder.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(adder.wait, 15) == 0
        await sending
    assert rows(settings, "SELECT closed_at IS NOT NULL, last_seq >= %s FROM lanes", acknowledged[-1].seq) == [
        (True, True)
    ]


async def test_two_adders_share_a_port_and_each_has_its_lane(settings: AdderSettings) -> None:
    """Replicas on one machine listen on the same address; a killed one leaves the other serving."""
    twin = msgspec.structs.replace(settings, instance="adder-1", metrics_listen=free_address())
    acknowledged: list[Position] = []
    with ExitStack() as stack:
        first = stack.enter_context(process(settings))
        stack.enter_context(process(twin))
        await ready(settings)
        await ready(twin)
        assert rows(settings, "SELECT count(*) FROM lanes WHERE closed_at IS NULL") == [(2,)]
        first.kill()
        first.wait()
        await send(settings, 5, acknowledged)
        page = httpx.get(f"http://{twin.metrics_listen}/metrics").text
    assert acknowledged[-1].seq == 500
    assert "adder_additions_accepted_total 500.0" in page
