"""The gRPC face of the adder: what callers send becomes checked requests, what the writer says becomes a status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from sumflow.adder import requests
from sumflow.adder.comeback import trailers
from sumflow.adder.metrics import AdderMetrics
from sumflow.adder.requests import Refused, Request
from sumflow.adder.writer import Writer
from sumflow.sums import sum_pb2
from sumflow.sums.event import TRACEPARENT_HEADER, Position

SERVICE_NAME: Final = sum_pb2.DESCRIPTOR.services_by_name["SumNumbersService"].full_name
MAX_BATCHES_IN_FLIGHT: Final = 8
"""Of one stream: enough to fill every commit, few enough that a stream cannot fill the queue alone."""

_MALFORMED = Refused(
    grpc.StatusCode.INVALID_ARGUMENT, "the message is not one of sum.proto: it could not be decoded; nothing is stored"
)
_STOPPING = Refused(
    grpc.StatusCode.UNAVAILABLE,
    "the adder is stopping; what it answered is stored, what it did not is not: send it again",
)

M = TypeVar("M", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]


class SumService:
    """Answers SumNumbers and SumBatches.

    Args:
        writer: stores what is asked.
        metrics: where answers are counted.
    """

    def __init__(self, writer: Writer, metrics: AdderMetrics) -> None:
        self._writer = writer
        self._metrics = metrics
        self._stopping = False
        self._added = metrics.requests.labels("SumNumbers", "OK")
        self._batched = metrics.requests.labels("SumBatches", "OK")

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler to add to a server."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "SumNumbers": grpc.unary_unary_rpc_method_handler(
                self.sum_numbers,
                request_deserializer=_reader(sum_pb2.SumNumbersRequest),
                response_serializer=sum_pb2.SumNumbersResponse.SerializeToString,
            ),
            "SumBatches": grpc.stream_stream_rpc_method_handler(
                self.sum_batches,
                request_deserializer=_reader(sum_pb2.SumBatchRequest),
                response_serializer=sum_pb2.SumBatchResponse.SerializeToString,
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)

    def end_streams(self) -> None:
        """Take nothing more from the streams; what they were promised is answered, then they end with UNAVAILABLE."""
        self._stopping = True

    async def sum_numbers(
        self, message: sum_pb2.SumNumbersRequest | None, context: Context
    ) -> sum_pb2.SumNumbersResponse:
        """Add two numbers; the answer is given after they are stored."""
        try:
            if message is None:
                raise _MALFORMED
            x, y = message.x, message.y
            request = requests.single(x, y, message.request_id, _trace(context), message.total)
            position = await self._writer.submit(request)
        except Refused as refused:
            await self._abort(context, "SumNumbers", refused)
        self._added.inc()
        return sum_pb2.SumNumbersResponse(sum=x + y, position=str(position))

    async def sum_batches(
        self, messages: AsyncIterator[sum_pb2.SumBatchRequest | None], context: Context
    ) -> AsyncIterator[sum_pb2.SumBatchResponse]:
        """Answer each message of the stream once, in order; several are on their way at a time."""
        answers: asyncio.Queue[Request | Refused | None] = asyncio.Queue(MAX_BATCHES_IN_FLIGHT)
        reading = asyncio.create_task(self._read(messages, _trace(context), answers.put))
        try:
            while (answer := await answers.get()) is not None:
                if isinstance(answer, Refused):
                    raise answer
                yield _batch_answer(answer, await answer.answer if len(answer) else "")
                self._batched.inc()
            await reading
        except Refused as refused:
            await self._abort(context, "SumBatches", refused)
        finally:
            await _abandon(reading, answers)

    async def _read(
        self,
        messages: AsyncIterator[sum_pb2.SumBatchRequest | None],
        traceparent: str | None,
        put: Callable[[Request | Refused | None], Awaitable[None]],
    ) -> None:
        """Submit what arrives, and put the answers to come in order; the bounded queue is the stream's flow control."""
        end: Refused | None = None
        try:
            async for message in messages:
                if message is None:
                    raise _MALFORMED
                if self._stopping:
                    raise _STOPPING
                xs, ys = list(message.x), list(message.y)
                totals = requests.names(len(xs), message.total, list(message.totals))
                request = requests.batch(xs, ys, message.request_id, traceparent, totals)
                if len(request):  # else all of its additions overflow, which is an answer too
                    await self._writer.enqueue(request)
                await put(request)
        except Refused as refused:
            end = refused
        finally:
            await put(end)

    async def _abort(self, context: Context, method: str, refused: Refused) -> Any:
        self._metrics.requests.labels(method, refused.code.name).inc()
        await context.abort(refused.code, refused.message, trailers(refused))


def _batch_answer(request: Request, position: Position | str) -> sum_pb2.SumBatchResponse:
    rejected = [sum_pb2.Rejection(index=index, reason=reason) for index, reason in request.rejected.items()]
    return sum_pb2.SumBatchResponse(
        accepted=len(request), rejected=rejected, position=str(position), request_id=request.request_id
    )


async def _abandon(reading: asyncio.Task[None], answers: asyncio.Queue[Request | Refused | None]) -> None:
    """End what a stream that is over has left: what no commit has taken yet is not stored."""
    reading.cancel()
    while not answers.empty():
        if isinstance(request := answers.get_nowait(), Request):
            request.answer.cancel()
    await asyncio.wait({reading})


def _reader(kind: type[M]) -> Callable[[bytes], M | None]:
    """Return a deserializer that gives None for malformed bytes: gRPC's own would answer INTERNAL without a word."""

    def read(data: bytes) -> M | None:
        try:
            return kind.FromString(data)
        except DecodeError:
            return None

    return read


def _trace(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == TRACEPARENT_HEADER:
            return requests.traceparent_of(value)
    return None
