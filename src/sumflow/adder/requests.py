"""What a client asks, checked: from here on every number fits, every list has its length, every id can be stored."""

from __future__ import annotations

import asyncio
import hashlib
import operator
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import grpc

from sumflow.sums.event import Position
from sumflow.sums.numbers import INT64_MAX, INT64_MIN, is_int64

MAX_BATCH_ADDITIONS: Final = 10_000
MAX_REQUEST_ID_BYTES: Final = 128
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Refused(Exception):  # noqa: N818 - it is an answer to the client, not a failure of ours
    """A request that is not carried out, in gRPC's own vocabulary.

    Args:
        code: the status of the answer.
        message: what the client reads: what is wrong, and what to do.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True, eq=False)
class Request:
    """Additions that are stored as one unit, or not at all.

    `answer` is given the position of the last addition after the commit, or a Refused.
    """

    xs: Sequence[int]
    ys: Sequence[int]
    request_id: str
    traceparent: str | None
    answer: asyncio.Future[Position]
    rejected: dict[int, str] = field(default_factory=dict)
    """Index in the client's lists to the reason; these additions are not among xs and ys."""

    def __len__(self) -> int:
        return len(self.xs)

    def digest(self) -> bytes:
        """Return a fingerprint of the numbers: equal for a retry, different for another request."""
        numbers = hashlib.blake2b(array("q", self.xs).tobytes(), digest_size=16)
        numbers.update(array("q", self.ys).tobytes())
        return numbers.digest()


def overflow(x: int, y: int) -> str:
    """Say why x + y cannot be stored."""
    return f"{x} + {y} = {x + y} does not fit a signed 64-bit integer ({INT64_MIN} to {INT64_MAX})"


def single(x: int, y: int, request_id: str, traceparent: str | None) -> Request:
    """Check one addition; raise Refused with OUT_OF_RANGE or INVALID_ARGUMENT."""
    if not is_int64(x + y):
        raise Refused(grpc.StatusCode.OUT_OF_RANGE, overflow(x, y))
    if request_id:
        check_request_id(request_id)
    return Request((x,), (y,), request_id, traceparent, asyncio.get_running_loop().create_future())


def batch(xs: Sequence[int], ys: Sequence[int], request_id: str, traceparent: str | None) -> Request:
    """Check a message of many additions; those that overflow are rejected by index, the rest stands.

    Raises:
        Refused: with INVALID_ARGUMENT, if the lists are no batch at all.
    """
    if len(xs) != len(ys) or not 1 <= len(xs) <= MAX_BATCH_ADDITIONS:
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"a batch has as many x as y, 1 to {MAX_BATCH_ADDITIONS:,} each; this one has {len(xs):,} and {len(ys):,}",
        )
    if request_id:
        check_request_id(request_id)
    rejected = _overflows(xs, ys)
    if rejected:
        kept = [i for i in range(len(xs)) if i not in rejected]
        xs, ys = [xs[i] for i in kept], [ys[i] for i in kept]
    return Request(xs, ys, request_id, traceparent, asyncio.get_running_loop().create_future(), rejected)


def _overflows(xs: Sequence[int], ys: Sequence[int]) -> dict[int, str]:
    sums = list(map(operator.add, xs, ys))
    if is_int64(min(sums)) and is_int64(max(sums)):
        return {}
    return {i: overflow(xs[i], ys[i]) for i, value in enumerate(sums) if not is_int64(value)}


def check_request_id(request_id: str) -> None:
    """Raise Refused with INVALID_ARGUMENT if the id cannot be kept."""
    size = len(request_id.encode())
    if size > MAX_REQUEST_ID_BYTES:
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"a request id has at most {MAX_REQUEST_ID_BYTES} bytes, this one {size:,}",
        )
    if "\0" in request_id:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "a request id has no NUL character")


def traceparent_of(text: str | bytes) -> str | None:
    """Return a W3C trace context that is well formed; anything else is no reason to refuse a number, and is dropped."""
    return text if isinstance(text, str) and _TRACEPARENT.fullmatch(text) else None
