"""When a call that failed is repeated: which failures are worth it, and after how long."""

from __future__ import annotations

import random
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

TRANSIENT: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
)
"""Statuses after which the same request, with the same id, is worth sending again."""
FIRST_S: Final = 0.1
LONGEST_S: Final = 2.0
TOLD_AT_MOST_S: Final = 10.0
"""A server that asks for a longer pause is asked again all the same."""


def is_transient(error: BaseException) -> bool:
    """Tell whether a failed call is worth repeating under the same request id."""
    return isinstance(error, grpc.RpcError) and error.code() in TRANSIENT


def pause_s(error: BaseException | None, failures: int) -> float:
    """Return how long to wait after so many failures in a row, in seconds.

    The wait doubles up to its limit, is not shorter than what the server asks for, and is spread so that many clients
    do not come back at once.
    """
    own_s: float = min(FIRST_S * 2 ** min(failures, 10), LONGEST_S)
    return max(own_s * random.uniform(0.5, 1.0), told_s(error) * random.uniform(1.0, 1.2))  # noqa: S311


def told_s(error: object) -> float:
    """Return the pause that the server asks for with google.rpc.RetryInfo; 0 if it asks for none."""
    if not isinstance(error, grpc.Call):
        return 0.0
    info = RetryInfo()
    try:
        status = rpc_status.from_call(error)
        is_told = status is not None and any(detail.Unpack(info) for detail in status.details)
    except (ValueError, DecodeError):  # details that cannot be read, or contradict the call's own status
        return 0.0
    asked_s: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    return min(max(asked_s, 0.0), TOLD_AT_MOST_S) if is_told else 0.0
