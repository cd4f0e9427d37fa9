"""How requests become one commit: a bounded queue, numbering, the columns of one INSERT. Values only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import grpc

from sumflow.adder.comeback import Pace
from sumflow.adder.requests import MAX_BATCH_ADDITIONS, Refused, Request
from sumflow.database import array_of_numbers, array_of_texts
from sumflow.sums.event import Position
from sumflow.sums.totals import Tallies, tally

MAX_GROUP_ADDITIONS: Final = MAX_BATCH_ADDITIONS
"""One commit takes at most this many: enough to make the cost of a commit vanish, small enough to stay quick."""


class Queue:
    """Requests that wait for a commit, in the order of their arrival.

    Args:
        limit: how many additions may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._requests: deque[Request] = deque()
        self.additions = 0
        self.pace = Pace(MAX_GROUP_ADDITIONS)
        """Learns from each commit how long those who wait have to."""

    def has_room(self, additions: int) -> bool:
        """Tell whether so many more may wait; into an empty queue one request always fits."""
        return self.additions + additions <= self._limit or not self._requests

    def put(self, request: Request) -> None:
        """Add a request; raise Refused with RESOURCE_EXHAUSTED if too many wait already."""
        if not self.has_room(len(request)):
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self.additions:,} additions are waiting to be stored, the limit is {self._limit:,}; "
                "nothing of this request is stored: try again in a moment",
                self.pace.drain_s(self.additions),
            )
        self._requests.append(request)
        self.additions += len(request)

    def take_group(self) -> list[Request]:
        """Remove and return the oldest requests that fit one commit; those whose caller is gone are left out."""
        group: list[Request] = []
        room = MAX_GROUP_ADDITIONS
        while self._requests and (len(self._requests[0]) <= room or not group):
            request = self._requests.popleft()
            self.additions -= len(request)
            if not request.answer.done():
                group.append(request)
                room -= len(request)
        return group

    def take_all(self) -> list[Request]:
        """Remove and return everything."""
        waiting, self._requests, self.additions = list(self._requests), deque(), 0
        return waiting


@dataclass(frozen=True, slots=True)
class Known:
    """What was stored under a request id."""

    position: Position
    digest: bytes
    x: int
    y: int
    total: str = ""

    def outcome_for(self, request: Request) -> Position | Refused:
        """Return the first answer for a retry, a refusal for other numbers under the same id."""
        if self.digest == request.digest():
            return self.position
        return Refused(
            grpc.StatusCode.ALREADY_EXISTS,
            f"the request id {request.request_id!r} was used before, for {self.x} + {self.y}"
            f"{f' in the total {self.total!r}' if self.total else ''}: "
            "a retry repeats the numbers and the total, a new request needs an id of its own",
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """A request and the seq of its last addition."""

    request: Request
    last_seq: int

    def known(self, lane: UUID) -> Known:
        """Return what is to be remembered of the request."""
        request = self.request
        position, name = Position(lane, self.last_seq), request.totals[0] if request.totals else ""
        return Known(position, request.digest(), request.xs[0], request.ys[0], name)


def place(requests: Iterable[Request], last_seq: int) -> list[Placed]:
    """Number the requests' additions on from `last_seq`."""
    placed = []
    for request in requests:
        last_seq += len(request)
        placed.append(Placed(request, last_seq))
    return placed


def split_repeats(requests: Iterable[Request]) -> tuple[list[Request], list[Request]]:
    """Part requests into the first of each id (and all without one), and the repeats that arrived in the same group."""
    firsts, repeats = [], []
    seen: set[str] = set()
    for request in requests:
        if request.request_id and request.request_id in seen:
            repeats.append(request)
        else:
            seen.add(request.request_id)
            firsts.append(request)
    return firsts, repeats


@dataclass(frozen=True, slots=True)
class Columns:
    """A group's additions in the order of their seq, as the texts of PostgreSQL arrays: one parameter a column."""

    xs: str
    ys: str
    traceparents: str
    """Empty if no request has one; a shorter array is filled up with NULL."""
    totals: str
    """Empty if no addition has a name."""


def columns(placed: Sequence[Placed]) -> Columns:
    """Write the group's additions for one INSERT; well-formed trace contexts need no quoting."""
    requests = [item.request for item in placed]
    traces: list[str] = []
    if any(request.traceparent for request in requests):
        traces = [request.traceparent or "NULL" for request in requests for _ in request.xs]
    totals: list[str] = []
    if any(request.totals for request in requests):
        totals = [name for request in requests for name in request.totals or [""] * len(request)]
    return Columns(
        xs=array_of_numbers(x for request in requests for x in request.xs),
        ys=array_of_numbers(y for request in requests for y in request.ys),
        traceparents=array_of_numbers(traces),
        totals=array_of_texts(totals),
    )


def total(requests: Iterable[Request]) -> int:
    """Return what the requests add to the lane's sum; exact, of any size."""
    return sum(sum(request.xs) + sum(request.ys) for request in requests)


def named(requests: Iterable[Request]) -> Tallies:
    """Return what the requests bring to the totals that they name."""
    tallies: Tallies = {}
    for request in requests:
        for x, y, name in zip(request.xs, request.ys, request.totals, strict=False):  # no names, nothing to tally
            if name:
                tally(tallies, name, 1, x + y)
    return tallies
