"""Sends batches through the adder's stream: several in flight, confirmed in order, resent after a failure.

Every batch has an id of its own, so sending it again is harmless; that is all that exactness needs here.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import grpc

from sumflow.client.adder import open_channel, translate
from sumflow.client.numbers import Batch
from sumflow.client.patience import TRANSIENT, pause_s
from sumflow.errors import SumflowError
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumBatchRequest, SumBatchResponse
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

IN_FLIGHT: Final = 4
"""Batches sent and not yet confirmed; they stay in memory until they are."""
ANSWER_TIMEOUT_S: Final = 15.0
"""An adder that is silent for longer is treated as gone."""


class _EndedEarlyError(grpc.RpcError):
    """The adder ended the stream with OK and owes answers: a status like any other that ends a stream too early."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "the stream was ended before everything in it was answered"


class BatchStream:
    """One call of SumBatches; requests go in through a bounded queue, answers come out in order."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._requests: queue.Queue[SumBatchRequest | None] = queue.Queue(IN_FLIGHT + 1)
        self._call = SumNumbersServiceStub(channel).SumBatches(  # type: ignore[no-untyped-call]
            iter(self._requests.get, None)
        )

    def send(self, request: SumBatchRequest) -> None:
        """Send a request; waits where too many are on their way."""
        self._requests.put(request)

    def answer(self, within_s: float = ANSWER_TIMEOUT_S) -> SumBatchResponse:
        """Wait for the next answer; raise grpc.RpcError if there is none in time."""
        watch = threading.Timer(within_s, self._call.cancel)
        watch.daemon = True
        watch.start()
        try:
            response: SumBatchResponse | None = next(self._call, None)
        finally:
            watch.cancel()
        if response is None:
            raise _EndedEarlyError
        return response

    def close(self) -> None:
        """End the call; grpc's thread that waits for requests ends with it."""
        self._call.cancel()
        self._requests.put(None)


class BulkAdder:
    """Stores batches, each once, in order.

    Args:
        address: the adder's gRPC address.
        import_id: the prefix of the batches' request ids.
        give_up_after_s: how long nothing may be confirmed before the import stops, in seconds.
        on_wait: hears why nothing moves at the moment.
        total: the name of the total that all of it counts in; empty for the one total.
    """

    def __init__(
        self,
        address: Address,
        import_id: str,
        *,
        give_up_after_s: float,
        on_wait: Callable[[str], None],
        total: str = "",
    ) -> None:
        self._total = total
        self._address = address
        self._import_id = import_id
        self._give_up_after_s = give_up_after_s
        self._on_wait = on_wait
        self._unconfirmed: deque[Batch] = deque()

    def store(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, SumBatchResponse]]:
        """Send every batch and yield it with its answer, in order; raise SumflowError when the adder stays away."""
        failures, moved_at = 0, time.monotonic()
        while True:
            try:
                for confirmed in self._through_one_stream(batches):
                    failures, moved_at = 0, time.monotonic()
                    yield confirmed
            except grpc.RpcError as error:
                silent_s = time.monotonic() - moved_at
                if not _worth_repeating(error) or silent_s > self._give_up_after_s:
                    raise self._given_up(error, silent_s) from error
                failures += 1
                self._on_wait(f"the adder: {_reason(error)}")
                time.sleep(pause_s(error, failures))
            else:
                return

    def _through_one_stream(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, SumBatchResponse]]:
        with open_channel(self._address) as channel:
            stream = BatchStream(channel)
            try:
                for batch in self._unconfirmed:
                    self._send(stream, batch)
                while self._fill(stream, batches):
                    # A block without additions is not sent; it is confirmed in its turn all the same.
                    response = stream.answer() if self._unconfirmed[0].x else SumBatchResponse()
                    yield self._unconfirmed.popleft(), response
            finally:
                stream.close()

    def _fill(self, stream: BatchStream, batches: Iterator[Batch]) -> bool:
        """Send new batches while there is room; tell whether an answer is owed."""
        while len(self._unconfirmed) < IN_FLIGHT and (batch := next(batches, None)) is not None:
            self._unconfirmed.append(batch)
            self._send(stream, batch)
        return bool(self._unconfirmed)

    def _send(self, stream: BatchStream, batch: Batch) -> None:
        if batch.x:
            request_id = f"{self._import_id}:{batch.first_line}"
            stream.send(SumBatchRequest(x=batch.x, y=batch.y, request_id=request_id, total=self._total))

    def _given_up(self, error: grpc.RpcError, silent_s: float) -> SumflowError:
        reason = translate(error, self._address)
        reason.why = f"{reason.why or reason.what}; given up after {silent_s:.0f} s without a confirmation"
        return reason


def _worth_repeating(error: grpc.RpcError) -> bool:
    """CANCELLED is our own watch on a silent adder; an adder that is killed ends its streams in several ways."""
    return error.code() in TRANSIENT | {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.ABORTED}


def _reason(error: grpc.RpcError) -> str:
    return "no answer" if error.code() is grpc.StatusCode.CANCELLED else error.details() or error.code().name
