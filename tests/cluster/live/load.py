"""Clients on the cluster that keep their own books: each addition is repeated under its id until acknowledged."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Final

import grpc

from sumflow.sums.sum_pb2 import SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

PATIENCE_S: Final = 240.0
_CALL_TIMEOUT_S: Final = 5.0
_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 500))
"""A connection for each client: Services choose a pod for each connection."""


class Load:
    """A steady load, until its `with` block ends; what was acknowledged then is exactly what must have been added.

    Args:
        address: the adder's Service.
        clients: how many there are.
        pace_s: what each waits between two additions, in seconds.
    """

    def __init__(self, address: str, clients: int = 4, pace_s: float = 0.004) -> None:
        self.address = address
        self._pace_s = pace_s
        self._stop = threading.Event()
        self._sums = [0] * clients
        self._counts = [0] * clients
        self._others: list[Load] = []
        self._problems: list[str] = []
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S + 2 * _CALL_TIMEOUT_S)
        assert self._problems == []
        assert not any(thread.is_alive() for thread in self._threads)

    @property
    def count(self) -> int:
        """Additions acknowledged so far."""
        return sum(self._counts)

    @property
    def added(self) -> int:
        """The sum of all that was acknowledged; final once the block has ended."""
        return sum(self._sums) + sum(other.added for other in self._others)

    def includes(self, other: Load) -> None:
        """Count another load, which has ended, to this one's books."""
        self._others.append(other)

    def goes_on(self, additions: int = 100, within_s: float = PATIENCE_S) -> None:
        """Wait until so many more additions are acknowledged; fail if they are not in time."""
        wanted = self.count + additions
        waited(lambda: self.count >= wanted, f"{additions} more additions", within_s)

    def _client(self, number: int) -> None:
        channel = self._connect()
        x = 0
        while not self._stop.is_set():
            x += 1
            request = SumNumbersRequest(x=x, y=2 * x, request_id=str(uuid.uuid4()))
            deadline = time.monotonic() + PATIENCE_S
            while not self._acknowledged(channel, request, number):
                if time.monotonic() > deadline:
                    self._problems.append(f"client {number}: no acknowledgement for {PATIENCE_S:.0f} s")
                    return
                # A new connection: the one to a node that lost power would stay silent for a quarter of an hour.
                channel.close()
                channel = self._connect()
            self._stop.wait(self._pace_s)
        channel.close()

    def _connect(self) -> grpc.Channel:
        return grpc.insecure_channel(self.address, options=_OPTIONS)

    def _acknowledged(self, channel: grpc.Channel, request: SumNumbersRequest, number: int) -> bool:
        stub = SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            answer = stub.SumNumbers(request, timeout=_CALL_TIMEOUT_S)
        except grpc.RpcError:
            time.sleep(0.1)
            return False
        if answer.sum != request.x + request.y:
            self._problems.append(f"{request.x} + {request.y} = {answer.sum}")
        self._counts[number] += 1
        self._sums[number] += answer.sum
        return True


def waited(condition: Callable[[], bool], what: str, within_s: float, *, every_s: float = 0.2) -> None:
    """Wait until a condition holds; fail the test with what was awaited if it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(every_s)
