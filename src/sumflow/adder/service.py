"""The gRPC face of the adder: what callers send becomes checked requests, what the writer says becomes a status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from sumflow.adder import requests
from sumflow.adder.comeback import trailers
from sumflow.adder.intake import Context, Intake, Places, reader
from sumflow.adder.metrics import AdderMetrics
from sumflow.adder.requests import Refused
from sumflow.adder.streams import Stream
from sumflow.adder.wire import is_overfull
from sumflow.adder.writer import Writer
from sumflow.sums import sum_pb2
from sumflow.sums.event import TRACEPARENT_HEADER

SERVICE_NAME: Final = sum_pb2.DESCRIPTOR.services_by_name["SumNumbersService"].full_name


class SumService:
    """Answers SumNumbers and SumBatches.

    Args:
        writer: stores what is asked.
        metrics: where answers are counted.
        max_streams: how many streams may be open at once.
        intake: reads the messages of single additions; shared with whatever else the port serves.
    """

    def __init__(self, writer: Writer, metrics: AdderMetrics, max_streams: int, intake: Intake) -> None:
        self._writer = writer
        self._intake = intake
        self._metrics = metrics
        self._places = Places(max_streams, "streams of additions")
        metrics.streams.set_function(lambda: self._places.taken)
        self._stopping = False
        self._added = metrics.requests.labels("SumNumbers", "OK")
        self._batched = metrics.requests.labels("SumBatches", "OK")

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler to add to a server."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "SumNumbers": grpc.stream_unary_rpc_method_handler(
                self.sum_numbers,
                request_deserializer=reader(sum_pb2.SumNumbersRequest),
                response_serializer=sum_pb2.SumNumbersResponse.SerializeToString,
            ),
            "SumBatches": grpc.stream_stream_rpc_method_handler(
                self.sum_batches,
                request_deserializer=_read_batch,
                response_serializer=sum_pb2.SumBatchResponse.SerializeToString,
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)

    def end_streams(self) -> None:
        """Take nothing more from the streams; what they were promised is answered, then they end with UNAVAILABLE."""
        self._stopping = True

    async def sum_numbers(self, _: object, context: Context) -> sum_pb2.SumNumbersResponse:
        """Add two numbers; the answer is given after they are stored."""
        try:
            message = await self._intake.read(context)
            x, y = message.x, message.y
            request = requests.single(x, y, message.request_id, _trace(context), message.total)
            position = await self._writer.submit(request)
        except Refused as refused:
            await self._abort(context, "SumNumbers", refused)
        self._added.inc()
        return sum_pb2.SumNumbersResponse(sum=x + y, position=str(position))

    async def sum_batches(self, _: AsyncIterator[sum_pb2.SumBatchRequest | None], context: Context) -> None:
        """Answer each message of the stream once, in order; several are on their way at a time."""
        try:
            with self._places.one():
                await Stream(
                    context,
                    self._writer,
                    _trace(context),
                    is_stopping=lambda: self._stopping,
                    answered=self._batched.inc,
                ).serve()
        except Refused as refused:
            await self._abort(context, "SumBatches", refused)

    async def _abort(self, context: Context, method: str, refused: Refused) -> Any:
        self._metrics.requests.labels(method, refused.code.name).inc()
        await context.abort(refused.code, refused.message, trailers(refused))


def _read_batch(data: bytes) -> sum_pb2.SumBatchRequest | None:
    """Read a batch; None as above, also if it holds more than a batch may."""
    try:
        return None if is_overfull(data) else sum_pb2.SumBatchRequest.FromString(data)
    except (DecodeError, ValueError):
        return None


def _trace(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == TRACEPARENT_HEADER:
            return requests.traceparent_of(value)
    return None
