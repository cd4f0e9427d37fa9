"""What a stream may hold: a place, for a limited time without a word or an answer taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import msgspec
import pytest

from sumflow.adder import streams
from sumflow.adder.intake import RETRY_S
from sumflow.settings import AdderSettings
from sumflow.sums.numbers import INT64_MAX
from sumflow.sums.sum_pb2 import SumBatchRequest
from tests.adder.support import running_server, running_writer
from tests.adder.test_service import ask, status, stub_of

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
ONE = SumBatchRequest(x=[1], y=[1])
ALL_OVERFLOW = SumBatchRequest(x=[INT64_MAX] * 10_000, y=[1] * 10_000)


@pytest.fixture
async def channel(settings: AdderSettings) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to an adder with one place for streams."""
    narrow = msgspec.structs.replace(settings, adder_max_streams=1)
    async with (
        running_writer(settings) as writer,
        running_server(narrow, writer),
        grpc.aio.insecure_channel(str(settings.grpc_listen)) as channel,
    ):
        yield channel


async def endless() -> AsyncIterator[SumBatchRequest]:
    """Send one batch, then nothing for ever."""
    yield ONE
    await asyncio.Event().wait()


async def test_the_stream_without_a_place_hears_when_to_come_again(channel: grpc.aio.Channel) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo while all places are taken; a place that is left is free at once."""
    holder = stub_of(channel).SumBatches(endless())
    assert (await holder.read()).accepted == 1
    refused = stub_of(channel).SumBatches(iter([ONE]))
    assert (await status(refused.read()))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = dict(await refused.trailing_metadata())
    assert int(trailers["grpc-retry-pushback-ms"]) >= 1000 * RETRY_S
    assert "grpc-status-details-bin" in trailers
    holder.cancel()
    assert await answered(channel) == 1


async def answered(channel: grpc.aio.Channel) -> int:
    """Ask until there is a place; return what is accepted."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                return (await ask(channel, [ONE]))[0].accepted
            await asyncio.sleep(0.02)


async def test_a_silent_stream_loses_its_place(channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without a message for its time is told so, after everything that it sent is answered."""
    monkeypatch.setattr(streams, "SILENCE_S", 0.2)
    silent = stub_of(channel).SumBatches(endless())
    assert (await silent.read()).accepted == 1
    assert (await status(silent.read()))[0] is grpc.StatusCode.UNAVAILABLE
    assert await answered(channel) == 1


async def test_a_client_that_never_reads_loses_its_place(
    channel: grpc.aio.Channel, settings: AdderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that nobody takes are held for a limited time; then others have the place."""
    monkeypatch.setattr(streams, "STUCK_S", 0.5)
    taken = asyncio.Semaphore(0)

    async def many() -> AsyncIterator[SumBatchRequest]:
        for _ in range(64):
            yield ALL_OVERFLOW
            taken.release()

    narrow = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024))
    async with grpc.aio.insecure_channel(str(settings.grpc_listen), narrow) as deaf:
        stub_of(deaf).SumBatches(many())
        await taken.acquire()  # more than a window: the server has asked for it
        assert await answered(channel) == 1
