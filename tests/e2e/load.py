"""Clients that keep their own books: what was acknowledged, and what nobody knows."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field

import grpc

from sumflow.sums import sum_pb2, sum_pb2_grpc


@dataclass(slots=True)
class Books:
    """What one client knows of its additions."""

    acknowledged: int = 0
    acknowledged_sum: int = 0
    unknown_sum: int = 0
    """Sums without a request id whose call failed: stored or not, the client cannot tell."""
    wrong_answers: list[str] = field(default_factory=list)


class Load:
    """A steady load of clients in threads, until stopped.

    Half of the clients name their requests and retry until they are acknowledged; the others never retry.
    """

    def __init__(self, address: str, clients: int = 4) -> None:
        self._address = address
        self._stop = threading.Event()
        self.books = [Books() for _ in range(clients)]
        self._threads = [
            threading.Thread(target=self._client, args=(books, number % 2 == 0), name=f"client-{number}")
            for number, books in enumerate(self.books)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), f"{thread.name} got no answer for a minute"

    @property
    def acknowledged(self) -> int:
        """Additions acknowledged so far."""
        return sum(b.acknowledged for b in self.books)

    def bounds(self) -> tuple[int, int]:
        """Return the least and the greatest total that is exact, given what the clients know."""
        least = sum(b.acknowledged_sum for b in self.books)
        return least, least + sum(b.unknown_sum for b in self.books)

    def _client(self, books: Books, named: bool) -> None:
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        with grpc.insecure_channel(self._address, options=options) as channel:
            stub = sum_pb2_grpc.SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]
            number = 0
            while not self._stop.is_set():
                number += 1
                self._add(stub, books, number, str(uuid.uuid4()) if named else "")

    def _add(self, stub: sum_pb2_grpc.SumNumbersServiceStub, books: Books, number: int, request_id: str) -> None:
        request = sum_pb2.SumNumbersRequest(x=number, y=2 * number, request_id=request_id)
        deadline = time.monotonic() + 50
        while True:
            try:
                answer = stub.SumNumbers(request, timeout=10)
            except grpc.RpcError as error:
                if not request_id:
                    books.unknown_sum += 3 * number
                    return
                if time.monotonic() > deadline:
                    books.wrong_answers.append(f"no acknowledgement for 50 s: {error}")
                    return
                self._stop.wait(0.05)
                continue
            if answer.sum != 3 * number:
                books.wrong_answers.append(f"{number} + {2 * number} = {answer.sum}")
            books.acknowledged += 1
            books.acknowledged_sum += 3 * number
            return
