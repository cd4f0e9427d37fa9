"""Single additions: one gRPC call each, retried under the same request id, so that a retry never counts twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import grpc
import tenacity

from sumflow.client.patience import is_transient, pause_s
from sumflow.errors import SEE_STATUS, NotRunningError, SumflowError, UsageError
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumNumbersRequest, SumNumbersResponse
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

_REFUSED: Final = frozenset(
    {grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS}
)
_CALL_TIMEOUT_S: Final = 10.0
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection: who opens one gave the old one up
)


@dataclass(frozen=True, slots=True)
class Added:
    """An addition that is stored: its sum and its position, `<lane>:<seq>`."""

    sum: int
    position: str


def open_channel(address: Address) -> grpc.Channel:
    """Open a channel to the adder; connecting happens at the first call."""
    return grpc.insecure_channel(str(address), options=_OPTIONS)


def translate(error: grpc.RpcError, address: Address) -> SumflowError:
    """Say in our words what a gRPC status means to the person who added."""
    code, details = error.code(), error.details() or ""
    if code in _REFUSED:
        return UsageError(details or f"the adder refuses this: {code.name}")
    if code is grpc.StatusCode.UNAVAILABLE:
        return NotRunningError(
            f"the adder at {address} is not available",
            why=details,
            remedy=SEE_STATUS,
        )
    return SumflowError(
        f"the adder at {address} answers {code.name}",
        why=details,
        remedy="its log shows its side: `sumflow logs adder`, or `kubectl logs -n sumflow -l app=adder -c adder`",
    )


class Adder:
    """The adder's unary call; used by one thread at a time.

    Args:
        address: its gRPC address.
        patience_s: how long a call is repeated while the adder is not available, in seconds.
        on_wait: hears why a call is repeated.
        call_timeout_s: how long one call may take.
    """

    def __init__(
        self,
        address: Address,
        *,
        patience_s: float = 10.0,
        on_wait: Callable[[str], None] = lambda reason: None,
        call_timeout_s: float = _CALL_TIMEOUT_S,
    ) -> None:
        self._address = address
        self._channel = open_channel(address)
        self._on_wait = on_wait
        self._call_timeout_s = call_timeout_s
        self._repeat = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            wait=lambda state: pause_s(_failure(state), state.attempt_number),
            stop=tenacity.stop_after_delay(patience_s),
            before_sleep=self._waiting,
            reraise=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._channel.close()

    def add(self, x: int, y: int, request_id: str = "", total: str = "") -> Added:
        """Add two 64-bit numbers once, however often the call must be repeated; raise SumflowError if it is refused.

        Args:
            x: the first.
            y: the second.
            request_id: the addition's own, if it has one.
            total: the name of the total that it counts in; empty for the one total.
        """
        request = SumNumbersRequest(x=x, y=y, request_id=request_id or str(uuid.uuid4()), total=total)
        try:
            answer = self._repeat(self._call, request)
        except grpc.RpcError as error:
            raise translate(error, self._address) from error
        return Added(answer.sum, answer.position)

    def _call(self, request: SumNumbersRequest) -> SumNumbersResponse:
        stub = SumNumbersServiceStub(self._channel)  # type: ignore[no-untyped-call]
        try:
            answer: SumNumbersResponse = stub.SumNumbers(request, timeout=self._call_timeout_s)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                self._leave_connection()
            raise
        return answer

    def _leave_connection(self) -> None:
        """Use another connection from here on: the peer of one that is silent may be gone, and TCP notices late."""
        self._channel.close()
        self._channel = open_channel(self._address)

    def _waiting(self, state: tenacity.RetryCallState) -> None:
        error = _failure(state)
        self._on_wait(error.details() or error.code().name if isinstance(error, grpc.RpcError) else str(error))


def _failure(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
