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
from sumflow.sums.totals import flaw_of

MAX_BATCH_ADDITIONS: Final = 10_000
MAX_REQUEST_ID_BYTES: Final = 128
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Refused(Exception):  # noqa: N818 - it is an answer to the client, not a failure of ours
    """A request that is not carried out, in gRPC's own vocabulary.

    Args:
        code: the status of the answer.
        message: what the client reads: what is wrong, and what to do.
        retry_after_s: in how many seconds the same request is worth sending again; None if it is not, or at once.
    """

    def __init__(self, code: grpc.StatusCode, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


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
    """Index in the client's lists to the reason; these additions are not among xs, ys and totals."""
    totals: Sequence[str] = ()
    """The name of each addition's total, empty for the contract's; no names at all if none has one."""

    def __len__(self) -> int:
        return len(self.xs)

    def digest(self) -> bytes:
        """Return a fingerprint of numbers and names: equal for a retry, different for another request."""
        numbers = hashlib.blake2b(array("q", self.xs).tobytes(), digest_size=16)
        numbers.update(array("q", self.ys).tobytes())
        if not self.totals:
            return numbers.digest()
        # Keyed, so that no names look like more numbers; no name has a NUL.
        return hashlib.blake2b("\0".join(self.totals).encode(), digest_size=16, key=numbers.digest()).digest()


def overflow(x: int, y: int) -> str:
    """Say why x + y cannot be stored."""
    return f"{x} + {y} = {x + y} does not fit a signed 64-bit integer ({INT64_MIN} to {INT64_MAX})"


def single(x: int, y: int, request_id: str, traceparent: str | None, total: str = "") -> Request:
    """Check one addition; raise Refused with OUT_OF_RANGE or INVALID_ARGUMENT."""
    if not is_int64(x + y):
        raise Refused(grpc.StatusCode.OUT_OF_RANGE, overflow(x, y))
    if request_id:
        check_request_id(request_id)
    answer = asyncio.get_running_loop().create_future()
    return Request((x,), (y,), request_id, traceparent, answer, totals=names(1, total) if total else ())


def batch(
    xs: Sequence[int], ys: Sequence[int], request_id: str, traceparent: str | None, totals: Sequence[str] = ()
) -> Request:
    """Check a message of many additions; those that overflow are rejected by index, the rest stands.

    Args:
        xs: first numbers.
        ys: second numbers.
        request_id: the client's, or empty.
        traceparent: the W3C trace context of the call.
        totals: what `names` made of the message's.

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
        xs, ys, totals = [xs[i] for i in kept], [ys[i] for i in kept], [totals[i] for i in kept if totals]
    return Request(xs, ys, request_id, traceparent, asyncio.get_running_loop().create_future(), rejected, totals)


def _overflows(xs: Sequence[int], ys: Sequence[int]) -> dict[int, str]:
    sums = list(map(operator.add, xs, ys))
    if is_int64(min(sums)) and is_int64(max(sums)):
        return {}
    return {i: overflow(xs[i], ys[i]) for i, value in enumerate(sums) if not is_int64(value)}


def names(size: int, total: str, totals: Sequence[str] = ()) -> Sequence[str]:
    """Return the name of each addition's total, no names at all if none has one.

    Args:
        size: how many additions there are.
        total: the name of all.
        totals: the names one by one.

    Raises:
        Refused: with INVALID_ARGUMENT, if they do not fit the additions or cannot name a total.
    """
    if totals and (total or len(totals) != size):
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"a batch names one total for all, or as many totals as x and y; this one has {size:,} x, {len(totals):,} "
            f"totals, and {total!r} for all",
        )
    for name in set(totals) or {total}:
        if flaw := flaw_of(name):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, flaw)
    named = totals or [total] * size
    return named if any(named) else ()


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
