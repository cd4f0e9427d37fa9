"""What a gRPC client of the contract sees: answers, statuses, order, flow control, health."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sumflow.adder import requests
from sumflow.adder.requests import Refused
from sumflow.adder.service import SERVICE_NAME
from sumflow.settings import AdderSettings
from sumflow.sums.event import Position
from sumflow.sums.numbers import INT64_MAX, INT64_MIN
from sumflow.sums.sum_pb2 import SumBatchRequest, SumBatchResponse, SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub
from tests.adder.support import rows, running_server, running_writer

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def channel(settings: AdderSettings) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server whose writer has its lane, and keeps it however busy the machine is."""
    patient = msgspec.structs.replace(settings, adder_commit_timeout_s=60)
    async with (
        running_writer(patient) as writer,
        running_server(settings, writer),
        grpc.aio.insecure_channel(str(settings.grpc_listen)) as channel,
    ):
        yield channel


def stub_of(channel: grpc.aio.Channel) -> Any:
    """Return the contract's client."""
    return SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]


async def ask(channel: grpc.aio.Channel, batches: Iterable[SumBatchRequest]) -> list[SumBatchResponse]:
    """Send a stream; return its answers."""
    return [answer async for answer in stub_of(channel).SumBatches(iter(batches))]


async def status(call: Any) -> tuple[grpc.StatusCode, str]:
    """Return the status that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


@pytest.mark.parametrize(("x", "y"), [(2, 3), (-5, 2), (0, 0), (INT64_MAX, 0), (INT64_MIN, INT64_MAX), (2**31, 1)])
async def test_a_sum_is_answered_with_its_position(channel: grpc.aio.Channel, x: int, y: int) -> None:
    """Sums are right over the whole range, beyond 32 bits too."""
    answer = await stub_of(channel).SumNumbers(SumNumbersRequest(x=x, y=y))
    assert answer.sum == x + y
    assert Position.parse(answer.position).seq == 1


async def test_a_burst_of_calls_is_served(channel: grpc.aio.Channel, settings: AdderSettings) -> None:
    """Five thousand calls at once are within the queue's limit: none is cancelled for gRPC's own, smaller one."""
    stub = stub_of(channel)
    answers = await asyncio.gather(*(stub.SumNumbers(SumNumbersRequest(x=n, y=0)) for n in range(5_000)))
    assert [answer.sum for answer in answers] == list(range(5_000))
    assert rows(settings, "SELECT count FROM lanes") == [(5_000,)]


async def test_the_name_of_a_total_is_stored_with_the_event(channel: grpc.aio.Channel, settings: AdderSettings) -> None:
    """Of one addition, of a batch, of each in a batch; a bad name is INVALID_ARGUMENT and says why."""
    stub = stub_of(channel)
    await stub.SumNumbers(SumNumbersRequest(x=1, y=1, total="rent"))
    await ask(channel, [SumBatchRequest(x=[1], y=[1], total="food"), SumBatchRequest(x=[1], y=[2], totals=["fuel"])])
    assert rows(settings, "SELECT total FROM events ORDER BY seq") == [("rent",), ("food",), ("fuel",)]
    code, details = await status(stub.SumNumbers(SumNumbersRequest(x=1, y=1, total="a\nb")))
    assert (code, "control characters" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_the_trace_context_is_stored_with_the_event(channel: grpc.aio.Channel, settings: AdderSettings) -> None:
    """traceparent of the call's metadata waits in the outbox; a malformed one is dropped, not the number."""
    stub = stub_of(channel)
    for value in (TRACEPARENT, "nonsense, not a context"):
        await stub.SumNumbers(SumNumbersRequest(x=1, y=1), metadata=(("traceparent", value),))
    assert rows(settings, "SELECT traceparent FROM events ORDER BY seq") == [(TRACEPARENT,), (None,)]


async def test_an_overflow_is_out_of_range(channel: grpc.aio.Channel, settings: AdderSettings) -> None:
    """The status and the sum that would not fit; nothing is stored."""
    stub = stub_of(channel)
    code, details = await status(stub.SumNumbers(SumNumbersRequest(x=INT64_MAX, y=1)))
    assert code is grpc.StatusCode.OUT_OF_RANGE
    assert "9223372036854775808" in details
    assert rows(settings, "SELECT count(*) FROM events") == [(0,)]


async def test_bytes_that_are_no_message_are_an_invalid_argument(channel: grpc.aio.Channel) -> None:
    """A message that cannot be decoded is the client's mistake and is called so."""
    raw: Any = channel.unary_unary(f"/{SERVICE_NAME}/SumNumbers")
    code, details = await status(raw(b"\xff\xff\xff"))
    assert (code, "could not be decoded" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    """A client built for another contract is told so."""
    unknown: Any = channel.unary_unary(f"/{SERVICE_NAME}/Multiply")
    code, _ = await status(unknown(b""))
    assert code is grpc.StatusCode.UNIMPLEMENTED


async def test_an_oversized_message_is_refused(channel: grpc.aio.Channel) -> None:
    """More than 4 MiB is RESOURCE_EXHAUSTED before it is read."""
    huge = SumNumbersRequest(x=1, y=1, request_id="x" * (5 * 1024 * 1024))
    code, _ = await status(stub_of(channel).SumNumbers(huge))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_batches_are_answered_in_order(channel: grpc.aio.Channel, settings: AdderSettings) -> None:
    """Forty batches, more than may be in flight: each answered once, in order, with positions that go up."""
    sizes = [1 + n * 37 % 500 for n in range(40)]
    answers = await ask(channel, [SumBatchRequest(x=[n] * size, y=[1] * size) for n, size in enumerate(sizes)])
    assert [answer.accepted for answer in answers] == sizes
    assert [Position.parse(a.position).seq for a in answers] == [sum(sizes[: n + 1]) for n in range(40)]
    assert rows(settings, "SELECT count(*) FROM events") == [(sum(sizes),)]


async def test_a_batch_stores_all_but_its_overflows(channel: grpc.aio.Channel, settings: AdderSettings) -> None:
    """Overflows are named by index and reason, the rest is stored; a batch of nothing else has no position."""
    mixed = SumBatchRequest(x=[1, INT64_MAX, 3], y=[1, 1, 1], request_id="m")
    hopeless = SumBatchRequest(x=[INT64_MIN], y=[-1])
    answers = await ask(channel, [mixed, hopeless, mixed])
    assert [(a.accepted, [r.index for r in a.rejected]) for a in answers] == [(2, [1]), (0, [0]), (2, [1])]
    assert answers[1].position == ""
    assert answers[0] == answers[2]
    assert "64-bit" in answers[0].rejected[0].reason
    assert rows(settings, "SELECT count(*) FROM events") == [(2,)]


async def test_a_malformed_batch_ends_the_stream_after_the_answers_before_it(channel: grpc.aio.Channel) -> None:
    """What was stored is answered, then comes INVALID_ARGUMENT."""
    call = stub_of(channel).SumBatches(iter([SumBatchRequest(x=[1], y=[1]), SumBatchRequest(x=[1])]))
    assert (await call.read()).accepted == 1
    assert (await status(call.read()))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_streams_wait_where_single_calls_are_refused(channel: grpc.aio.Channel, settings: AdderSettings) -> None:
    """Ten streams of large batches exceed the queue's limit together; flow control slows them, nothing is refused."""
    batches = [SumBatchRequest(x=[1] * 5_000, y=[1] * 5_000)] * 4
    answers = await asyncio.gather(*(ask(channel, batches) for _ in range(10)))
    assert sum(a.accepted for stream in answers for a in stream) == 200_000
    assert rows(settings, "SELECT sum FROM lanes") == [(400_000,)]


async def test_a_stream_that_is_cancelled_leaves_the_adder_working(channel: grpc.aio.Channel) -> None:
    """A client that goes away in the middle of its stream costs nobody anything."""

    async def endless() -> AsyncIterator[SumBatchRequest]:
        while True:
            yield SumBatchRequest(x=[1] * 100, y=[1] * 100)

    call = stub_of(channel).SumBatches(endless())
    assert (await call.read()).accepted == 100
    call.cancel()
    assert (await stub_of(channel).SumNumbers(SumNumbersRequest(x=1, y=1))).sum == 2


async def test_health_follows_the_lane(settings: AdderSettings) -> None:
    """grpc.health.v1 knows the server and the service, and nothing else."""
    async with running_writer(settings) as writer, running_server(settings, writer) as (_, companions):
        async with grpc.aio.insecure_channel(str(settings.grpc_listen)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for serving in (False, True):
                await companions.set_serving(serving=serving)
                for name in ("", "sum.SumNumbersService"):
                    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
                    assert answer.status == (1 if serving else 2)
            code, _ = await status(stub.Check(health_pb2.HealthCheckRequest(service="other")))
        assert code is grpc.StatusCode.NOT_FOUND


async def test_nothing_is_queued_without_a_lane(settings: AdderSettings) -> None:
    """After the writer ended, a request is UNAVAILABLE at once."""
    async with running_writer(settings) as writer:
        pass
    with pytest.raises(Refused) as refused:
        await writer.submit(requests.single(1, 1, "", None))
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE


async def test_compressed_messages_are_taken(settings: AdderSettings) -> None:
    """gRPC's standard compressions count like plain messages, in single calls and in streams."""
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        async with (
            running_writer(settings) as writer,
            running_server(settings, writer),
            grpc.aio.insecure_channel(str(settings.grpc_listen), compression=compression) as channel,
        ):
            named = SumNumbersRequest(x=1, y=2, total="a" * 100)
            assert (await stub_of(channel).SumNumbers(named)).sum == 3
            (answer,) = await ask(channel, [SumBatchRequest(x=[1] * 1000, y=[2] * 1000)])
            assert answer.accepted == 1000
