"""When a refused client may come again: how long that is, and how gRPC says it to clients of any language."""

from __future__ import annotations

import math
import random
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from sumflow.adder.requests import Refused

SHORTEST_S: Final = 0.05
LONGEST_S: Final = 5.0
_WEIGHT_OF_LAST: Final = 0.5
_SPREAD: Final = 1.5
"""Clients that are refused together are sent away for different times, at most this much longer."""


class Pace:
    """How long commits take at present, and so how long a queue takes to drain.

    Args:
        group: how many additions one commit takes at most.
    """

    def __init__(self, group: int) -> None:
        self._group = group
        self._commit_s = 0.0

    def observe(self, commit_s: float) -> None:
        """Learn from one commit."""
        self._commit_s += (commit_s - self._commit_s) * _WEIGHT_OF_LAST

    def drain_s(self, waiting: int) -> float:
        """Estimate after how long so many additions are stored; never too short to matter, nor too long to wait."""
        return min(max(self._commit_s * math.ceil(waiting / self._group), SHORTEST_S), LONGEST_S)


def trailers(refused: Refused) -> tuple[tuple[str, str | bytes], ...]:
    """Return the metadata that says when to come again: google.rpc.RetryInfo, and the pushback of gRPC's own retries.

    Source: google/rpc/error_details.proto; gRPC proposal A6, "pushback".
    """
    if refused.retry_after_s is None:
        return ()
    delay = Duration()
    delay.FromMilliseconds(int(1000 * refused.retry_after_s * random.uniform(1, _SPREAD)))  # noqa: S311
    status = Status(code=refused.code.value[0], message=refused.message)
    status.details.add().Pack(RetryInfo(retry_delay=delay))
    pushback = ("grpc-retry-pushback-ms", str(delay.ToMilliseconds()))
    return (pushback, *rpc_status.to_status(status).trailing_metadata)
