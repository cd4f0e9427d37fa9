"""What is fuzzed: a target takes an input, lets our code read it, and holds the outcome to rules and to the oracle."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final
from uuid import UUID

from google.protobuf.message import DecodeError
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest

from sumflow.adder import requests
from sumflow.adder.requests import Refused
from sumflow.client import numbers
from sumflow.client.lines import Block, blocks
from sumflow.errors import UsageError
from sumflow.sums.event import Position
from sumflow.sums.sum_pb2 import SumBatchRequest, SumNumbersRequest
from sumflow.totalizer import answers
from sumflow.totalizer.records import sort
from tests.fuzz import oracle
from tests.fuzz.mutation import Case
from tests.totalizer.records import CREATED_AT, FakeRecord, Lane, foreign_value

LANE: Final = Lane(UUID("5ca1ab1e-0000-4000-8000-00000000cafe"))
TRACE: Final = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True, slots=True)
class Target:
    """What takes inputs.

    Args:
        name: for reports and for the corpus of regressions.
        corpus: good inputs.
        check: lets our code read one; raises if a rule is broken.
    """

    name: str
    corpus: tuple[Case, ...]
    check: Callable[[Case], None]


def lane_event(case: Case) -> None:
    """A record with lane headers: one decision, no exception, counted at most as the oracle reads it."""
    lane, seq, total, value = case
    headers: list[tuple[str, bytes | None]] = [("lane", lane), ("seq", seq), ("total", total)]
    batch = sort([FakeRecord((3, 7), value, headers)])
    counted = [event for events in batch.lanes.values() for event in events]
    assert len(counted) + len(batch.poison) == 1
    assert batch.next_offsets == {3: 8}
    assert not batch.foreign
    is_one = oracle.is_of_lane(lane, seq, value)
    for event in counted:
        payload = event.event.payload
        assert oracle.numbers_at_most(value) == (payload.x, payload.y, payload.result)
        assert (is_one, event.seq, event.total.encode()) == (True, int(seq), total)
    if is_one and oracle.is_plain(value) and oracle.is_plain_seq(seq) and not total:
        assert counted, batch.poison[0].reason


def foreign_event(case: Case) -> None:
    """A record without lane headers: the same, without a place in a lane."""
    (value,) = case
    batch = sort([FakeRecord((0, 0), value, None)])
    assert len(batch.foreign) + len(batch.poison) == 1
    for event in batch.foreign:
        payload = event.event.payload
        assert oracle.numbers_at_most(value) == (payload.x, payload.y, payload.result)
    if oracle.is_plain(value):
        assert batch.foreign, batch.poison[0].reason


def position(case: Case) -> None:
    """A position is read as it is written, or refused with ValueError."""
    text = case[0].decode("utf-8", "surrogateescape")
    with suppress(ValueError):
        assert str(Position.parse(text)) == text


def lines(case: Case) -> None:
    """Lines of an import: the fast way reads what the slow way reads, and plain lines are read as the oracle does."""
    (text,) = case
    given = text.split(b"\n")
    block = Block(1, given, len(text))
    read, slow = numbers.parse(block, header_open=True), numbers._parse_lines(block, header_open=True)
    assert (read.x, read.y, [r.line for r in read.rejections]) == (slow.x, slow.y, [r.line for r in slow.rejections])
    assert (read.next_line, len(read.x), len(read.y)) == (
        len(given) + 1,
        len(read.line_numbers),
        len(read.line_numbers),
    )
    found = dict(zip(read.line_numbers, zip(read.x, read.y, strict=True), strict=True))
    for number, line in enumerate(given, 1):
        if (expected := oracle.addition(line)) is not None:
            assert found[number] == expected


def cuts(case: Case) -> None:
    """The same bytes give the same blocks, however they arrive."""
    text, sizes = case
    assert _blocks(io.BytesIO(text)) == _blocks(Dribbling(text, sizes or b"\x01"))


class Dribbling(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: bytes) -> None:
        super().__init__(data)
        self._sizes = [1 + size for size in sizes]

    def read(self, _: int | None = None) -> bytes:
        """Return the next bytes."""
        self._sizes.append(self._sizes.pop(0))
        return super().read(self._sizes[0])


def _blocks(stream: io.BytesIO) -> list[Block] | str:
    try:
        return list(blocks(stream))
    except UsageError as error:
        return error.what if stream.tell() > 4 else "no text"


def single(case: Case) -> None:
    """One addition as bytes on the wire: a request that fits, or a refusal."""
    data, trace = case
    with suppress(DecodeError, Refused):
        message = SumNumbersRequest.FromString(data)
        trace_context = requests.traceparent_of(trace.decode("latin-1"))
        request = requests.single(message.x, message.y, message.request_id, trace_context, message.total)
        assert message.x + message.y in oracle.INT64
        assert (len(request), list(request.xs), list(request.ys)) == (1, [message.x], [message.y])
        assert len(request.request_id.encode()) <= requests.MAX_REQUEST_ID_BYTES
        assert len(request.digest()) == 16


def batch(case: Case) -> None:
    """A batch as bytes on the wire: every addition is taken or rejected, and what is taken fits."""
    (data,) = case
    with suppress(DecodeError, Refused):
        message = SumBatchRequest.FromString(data)
        xs, ys = list(message.x), list(message.y)
        names = requests.names(len(xs), message.total, list(message.totals))
        request = requests.batch(xs, ys, message.request_id, None, names)
        fits = {i for i, pair in enumerate(zip_longest(xs, ys)) if sum(pair) in oracle.INT64}
        assert (set(range(len(xs))) - request.rejected.keys(), len(request)) == (fits, len(fits))
        assert list(request.xs) == [xs[i] for i in sorted(fits)]
        assert len(request.totals) in (0, len(fits))


def query(case: Case) -> None:
    """The query of a URL: a question within its limits, or 400."""
    raw, name = case
    scope = {
        "type": "http",
        "query_string": raw,
        "path_params": {"name": name.decode("utf-8", "replace")},
        "headers": [],
    }
    asked = HttpRequest(scope)
    with suppress(HTTPException):
        place, wait_s = answers.asked(asked)
        assert 0 <= wait_s <= answers.WAIT_LIMIT_S
        assert place is None or str(place) == asked.query_params["position"]
    with suppress(HTTPException):
        assert 1 <= answers.asked_page(asked)[1] <= answers.PAGE_LIMIT
    with suppress(HTTPException):
        assert answers.asked_name(asked)


TARGETS: Final = (
    Target(
        "lane-event",
        (
            (str(LANE.lane).encode(), b"7", b"", LANE.value(7, 2, 3)),
            (str(LANE.lane).encode(), b"123456", b"meters", LANE.value(123456, -(2**62), 2**62)),
        ),
        lane_event,
    ),
    Target(
        "foreign-event",
        (
            (foreign_value(UUID(int=9), 1, 2),),
            (foreign_value(UUID(int=8), -(2**63), 0, published_at=None),),
            (foreign_value(UUID(int=7), 5, 6, created_at=CREATED_AT.replace("Z", "+02:00"), more=[1, {"a": None}]),),
        ),
        foreign_event,
    ),
    Target("position", ((f"{LANE.lane}:1".encode(),), (f"{LANE.lane}:{10**17}".encode(),)), position),
    Target(
        "lines",
        (
            (b"1,2\n3,4\n-5,6",),
            (b"x;y\n1;2\n\n# no\n3 ; 4\r\n",),
            (b"1\n2\n3\n+4",),
            (b'"1","2"\n9223372036854775807,1',),
        ),
        lines,
    ),
    Target("cuts", ((b"1,2\n" * 20 + b"3", b"\x01\x07"), (b"\xef\xbb\xbf1\r\n2\n\n", b"\x00")), cuts),
    Target(
        "single",
        (
            (SumNumbersRequest(x=1, y=2, request_id="id", total="t").SerializeToString(), TRACE),
            (SumNumbersRequest(x=2**63 - 1, y=-1).SerializeToString(), b""),
        ),
        single,
    ),
    Target(
        "batch",
        (
            (SumBatchRequest(x=[1, 2, 3], y=[4, 5, 2**63 - 1], request_id="id").SerializeToString(),),
            (SumBatchRequest(x=[1, 2], y=[4, 5], totals=["a", ""]).SerializeToString(),),
            (SumBatchRequest(x=[1], y=[4], total="name").SerializeToString(),),
        ),
        batch,
    ),
    Target(
        "query",
        (
            (f"position={LANE.lane}:5&wait=2s".encode(), b"meters"),
            (b"limit=100&after=a%20b", "é".encode()),
            (b"wait=500ms", b""),
        ),
        query,
    ),
)
