"""Single additions: one gRPC call each, retried under the same request id, so that a retry never counts twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import grpc
import tenacity

from sumflow.errors import NotRunningError, SumflowError, UsageError
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

TRANSIENT: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
)
"""Statuses after which the same request, with the same id, is worth sending again."""

_REFUSED: Final = frozenset(
    {grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS}
)
_CALL_TIMEOUT_S: Final = 10.0
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True)
class Added:
    """An addition that is stored: its sum and its position, `<lane>:<seq>`."""

    sum: int
    position: str


def open_channel(address: Address) -> grpc.Channel:
    """Open a channel to the adder; connecting happens at the first call."""
    return grpc.insecure_channel(str(address), options=_OPTIONS)


def is_transient(error: BaseException) -> bool:
    """Tell whether a failed call is worth repeating under the same request id."""
    return isinstance(error, grpc.RpcError) and error.code() in TRANSIENT


def translate(error: grpc.RpcError, address: Address) -> SumflowError:
    """Say in our words what a gRPC status means to the person who added."""
    code, details = error.code(), error.details() or ""
    if code in _REFUSED:
        return UsageError(details or f"the adder refuses this: {code.name}")
    if code is grpc.StatusCode.UNAVAILABLE:
        return NotRunningError(
            f"the adder at {address} is not available",
            why=details,
            remedy="`sumflow status` shows what is running, `sumflow up` starts it",
        )
    return SumflowError(
        f"the adder at {address} answers {code.name}", why=details, remedy="`sumflow logs adder` shows its side"
    )


class Adder:
    """The adder's unary call.

    Args:
        address: its gRPC address.
        patience_s: how long a call is repeated while the adder is not available, in seconds.
        on_wait: hears why a call is repeated.
    """

    def __init__(
        self, address: Address, *, patience_s: float = 10.0, on_wait: Callable[[str], None] = lambda reason: None
    ) -> None:
        self._address = address
        self._channel = open_channel(address)
        self._call = SumNumbersServiceStub(self._channel).SumNumbers  # type: ignore[no-untyped-call]
        self._on_wait = on_wait
        self._repeat = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2.0),
            stop=tenacity.stop_after_delay(patience_s),
            before_sleep=self._waiting,
            reraise=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._channel.close()

    def add(self, x: int, y: int, request_id: str = "") -> Added:
        """Add two 64-bit numbers once, however often the call must be repeated; raise SumflowError if it is refused."""
        request = SumNumbersRequest(x=x, y=y, request_id=request_id or str(uuid.uuid4()))
        try:
            answer = self._repeat(self._call, request, timeout=_CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise translate(error, self._address) from error
        return Added(answer.sum, answer.position)

    def _waiting(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._on_wait(error.details() or error.code().name if isinstance(error, grpc.RpcError) else str(error))
