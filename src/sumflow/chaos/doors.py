"""How the load speaks to the pipeline: a call, a stream, and a look at the total, each over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc

from sumflow.client.adder import open_channel, translate
from sumflow.client.bulk import BatchStream
from sumflow.client.endpoints import Endpoints
from sumflow.client.totals import Totals
from sumflow.errors import UsageError
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumBatchRequest, SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

ANSWER_TIMEOUT_S: Final = 2.0
"""A client that hears nothing for so long opens a new connection: the old one may be to a process that stands still."""


class WrongAnswerError(Exception):
    """The adder refused what is right, or said something else than the sum."""


class Connection(Protocol):
    """A connection to the adder."""

    def add(self, numbers: range, request_id: str) -> None:
        """Add x + (1 - x) for each x, and return once that is acknowledged.

        Raises:
            WrongAnswerError: the answer is not what it must be.
            SumflowError: there is no answer; it may be stored or not.
        """

    def close(self) -> None:
        """End the connection."""


class Readable(Protocol):
    """A connection to the totalizer."""

    def total(self) -> int:
        """Return the total; raise SumflowError if there is no answer."""


class Doors(Protocol):
    """The pipeline, as clients see it."""

    def call(self) -> Connection:
        """Open a connection for single additions."""

    def stream(self) -> Connection:
        """Open a connection for batches."""

    def totals(self) -> AbstractContextManager[Readable]:
        """Open a connection to the totalizer."""


class _Calls:
    """Single additions, one unary call each."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._channel = open_channel(address)
        self._call: Callable[..., Any] = SumNumbersServiceStub(self._channel).SumNumbers  # type: ignore[no-untyped-call]

    def add(self, numbers: range, request_id: str) -> None:
        (x,) = numbers
        request = SumNumbersRequest(x=x, y=1 - x, request_id=request_id)
        try:
            answer = self._call(request, timeout=ANSWER_TIMEOUT_S)
        except grpc.RpcError as error:
            raise _unanswered(error, self._address) from error
        if answer.sum != 1:
            raise WrongAnswerError(f"{x} + {1 - x} is answered with {answer.sum}")

    def close(self) -> None:
        self._channel.close()


class _Batches:
    """Batches over one stream, one at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._channel = open_channel(address)
        self._stream = BatchStream(self._channel)

    def add(self, numbers: range, request_id: str) -> None:
        self._stream.send(SumBatchRequest(x=numbers, y=[1 - x for x in numbers], request_id=request_id))
        try:
            answer = self._stream.answer(ANSWER_TIMEOUT_S)
        except grpc.RpcError as error:
            raise _unanswered(error, self._address) from error
        if (answer.accepted, answer.request_id) != (len(numbers), request_id):
            raise WrongAnswerError(f"{len(numbers)} additions are answered with {answer.accepted}, {answer.rejected}")

    def close(self) -> None:
        self._stream.close()
        self._channel.close()


@dataclass(frozen=True, slots=True)
class NetworkDoors:
    """The doors of a pipeline that runs."""

    endpoints: Endpoints

    def call(self) -> Connection:
        """Open a channel of its own."""
        return _Calls(self.endpoints.adder)

    def stream(self) -> Connection:
        """Open a channel of its own with a stream."""
        return _Batches(self.endpoints.adder)

    def totals(self) -> AbstractContextManager[Readable]:
        """Open a connection of its own."""
        return Totals(self.endpoints.totalizer_url, read_timeout_s=ANSWER_TIMEOUT_S)


def _unanswered(error: grpc.RpcError, address: Address) -> Exception:
    """Tell a refusal, which is wrong here, from an answer that did not come."""
    told = translate(error, address)
    return WrongAnswerError(f"refused: {told.what}") if isinstance(told, UsageError) else told
