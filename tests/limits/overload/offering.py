"""The load: streams that send as fast as the adder lets them, and single calls that find its queue full."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import grpc
import grpc.aio

from sumflow.bench.loads import BATCH
from sumflow.client.adder import Adder
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumBatchRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

STREAMS: Final = 16
"""Their batches on the way are 256,000 sums: the adder's queue, of 20,000, is full as long as they send."""
CALLERS: Final = 4
_PATIENCE_S: Final = 3_600.0


class Offer:
    """What is offered to an adder, and what clients know of it; every sum is 1 + 1.

    Args:
        address: the adder.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streamed = 0
        self._called = [0] * CALLERS
        self._sent_away = [0] * CALLERS
        self._failures: list[Exception] = []
        self._ending = threading.Event()

    @property
    def accepted(self) -> int:
        """Sums that are acknowledged."""
        return self._streamed + sum(self._called)

    @property
    def sent_away(self) -> int:
        """How often a single call was answered with RESOURCE_EXHAUSTED, and when to come again."""
        return sum(self._sent_away)

    def offer(self, sums: int) -> None:
        """Offer so many sums by streams until all are acknowledged, and single calls beside them as long as that lasts.

        Raises:
            Exception: a call failed otherwise than by a full queue.
        """
        with self._callers():
            asyncio.run(self._streams(sums // STREAMS // BATCH))
        if self._failures:
            raise self._failures[0]

    async def _streams(self, batches: int) -> None:
        async with asyncio.TaskGroup() as streams:
            for _ in range(STREAMS):
                streams.create_task(self._stream(batches))

    async def _stream(self, batches: int) -> None:
        async def messages() -> AsyncIterator[SumBatchRequest]:
            for _ in range(batches):
                yield message

        message = SumBatchRequest(x=[1] * BATCH, y=[1] * BATCH)
        # A connection of its own: streams that share one are slowed down together.
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(str(self._address), options=options) as channel:
            stub = SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]
            async for answer in stub.SumBatches(messages()):
                self._streamed += answer.accepted

    @contextmanager
    def _callers(self) -> Iterator[None]:
        self._ending.clear()
        threads = [threading.Thread(target=self._call, args=(i,)) for i in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()

    def _call(self, i: int) -> None:
        """Add one after the other until the end, each as often as it takes: what was begun is in the books."""

        def waits(reason: str) -> None:
            if "waiting to be stored" not in reason:
                raise AssertionError(reason)
            self._sent_away[i] += 1

        try:
            with Adder(self._address, patience_s=_PATIENCE_S, on_wait=waits) as adder:
                while not self._ending.is_set():
                    adder.add(1, 1)
                    self._called[i] += 1
        except Exception as error:  # noqa: BLE001, told by `offer`
            self._failures.append(error)
