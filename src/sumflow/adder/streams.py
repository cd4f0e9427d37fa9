"""One stream of batches: several on their way, answered in order, in memory that has a bound whatever the client does.

A stream holds one of a limited number of places. A client that opens one and says nothing, or sends and never reads its
answers, holds it for a limited time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio

from sumflow.adder import requests
from sumflow.adder.intake import MALFORMED, Context
from sumflow.adder.requests import Refused, Request
from sumflow.adder.writer import Writer
from sumflow.sums import sum_pb2
from sumflow.sums.event import Position

MAX_BATCHES_IN_FLIGHT: Final = 8
"""Of one stream: enough to fill every commit, few enough that a stream cannot fill the queue alone."""
MAX_REJECTIONS_IN_FLIGHT: Final = 100
"""A batch with more is answered before the next is read: reasons take more memory than numbers."""
SILENCE_S: Final = 300.0
"""A stream without a message for so long ends."""
STUCK_S: Final = 60.0
"""A client that takes no answer for so long loses its stream."""

_STOPPING: Final = Refused(
    grpc.StatusCode.UNAVAILABLE,
    "the adder is stopping; what it answered is stored, what it did not is not: send it again",
)
_SILENT: Final = Refused(
    grpc.StatusCode.UNAVAILABLE,
    f"no message came for {SILENCE_S:.0f} s, and others wait for the stream's place: open another when there is one",
)
_STUCK: Final = Refused(
    grpc.StatusCode.DEADLINE_EXCEEDED,
    f"an answer was not taken for {STUCK_S:.0f} s; what is not answered may be stored: repeat it with its request_id",
)


@dataclass(frozen=True, slots=True)
class Owed:
    """What is kept of a batch until it is answered: the numbers themselves are free once they are stored."""

    accepted: int
    rejected: dict[int, str]
    request_id: str
    position: asyncio.Future[Position]

    @classmethod
    def of(cls, request: Request) -> Owed:
        """Keep what the answer needs."""
        return cls(len(request), request.rejected, request.request_id, request.answer)

    async def answer(self) -> sum_pb2.SumBatchResponse:
        """Wait until the batch is stored; raise Refused if it is not."""
        return sum_pb2.SumBatchResponse(
            accepted=self.accepted,
            rejected=[sum_pb2.Rejection(index=index, reason=reason) for index, reason in self.rejected.items()],
            position=str(await self.position) if self.accepted else "",
            request_id=self.request_id,
        )


class Stream:
    """One call of SumBatches.

    Args:
        context: the call.
        writer: stores the batches.
        traceparent: the W3C trace context of the call.
        is_stopping: tells whether the adder ends; then nothing more is taken from the stream.
        answered: is called after each answer.
    """

    def __init__(
        self,
        context: Context,
        writer: Writer,
        traceparent: str | None,
        *,
        is_stopping: Callable[[], bool],
        answered: Callable[[], None],
    ) -> None:
        self._context = context
        self._writer = writer
        self._traceparent = traceparent
        self._is_stopping = is_stopping
        self._answered = answered
        self._owed: asyncio.Queue[Owed | Refused | None] = asyncio.Queue(MAX_BATCHES_IN_FLIGHT)

    async def serve(self) -> None:
        """Answer each message once, in order; raise Refused for the status that the stream ends with."""
        reading = asyncio.create_task(self._read())
        try:
            while (owed := await self._owed.get()) is not None:
                if isinstance(owed, Refused):
                    raise owed
                await self._tell(await owed.answer())
                self._owed.task_done()
            await reading
        finally:
            await self._abandon(reading)

    async def _tell(self, answer: sum_pb2.SumBatchResponse) -> None:
        try:
            async with asyncio.timeout(STUCK_S):
                await self._context.write(answer)
        except TimeoutError:
            raise _STUCK from None
        self._answered()

    async def _read(self) -> None:
        """Submit what arrives, and note what is owed in order; the bounded queue is the stream's flow control."""
        end: Refused | None = None
        try:
            while (message := await self._next()) is not grpc.aio.EOF:
                await self._take(message)
        except Refused as refused:
            end = refused
        finally:
            await self._owed.put(end)

    async def _next(self) -> Any:
        try:
            async with asyncio.timeout(SILENCE_S):
                return await self._context.read()
        except TimeoutError:
            raise _SILENT from None

    async def _take(self, message: sum_pb2.SumBatchRequest | None) -> None:
        if message is None:
            raise MALFORMED
        if self._is_stopping():
            raise _STOPPING
        xs, ys = list(message.x), list(message.y)
        totals = requests.names(len(xs), message.total, list(message.totals))
        request = requests.batch(xs, ys, message.request_id, self._traceparent, totals)
        if len(request):  # else all of its additions overflow, which is an answer too
            await self._writer.enqueue(request)
        await self._owed.put(Owed.of(request))
        if len(request.rejected) > MAX_REJECTIONS_IN_FLIGHT:
            await self._owed.join()

    async def _abandon(self, reading: asyncio.Task[None]) -> None:
        """End what a stream that is over has left: what no commit has taken yet is not stored."""
        reading.cancel()
        while not self._owed.empty():
            if isinstance(owed := self._owed.get_nowait(), Owed):
                owed.position.cancel()
        await asyncio.wait({reading})
