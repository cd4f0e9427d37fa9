"""What a message holds is known before it is decoded: no right batch is refused, no wrong one takes memory."""

from __future__ import annotations

import pytest

from sumflow.adder import wire
from sumflow.adder.bounds import MAX_MESSAGE_BYTES
from sumflow.adder.requests import MAX_BATCH_ADDITIONS, MAX_REQUEST_ID_BYTES
from sumflow.sums.numbers import INT64_MIN
from sumflow.sums.sum_pb2 import SumBatchRequest
from sumflow.sums.totals import MAX_NAME_BYTES


def test_the_largest_batch_fits() -> None:
    """As many additions as there may be, of the longest numbers and names: within the limit, and not overfull."""
    numbers = [INT64_MIN] * MAX_BATCH_ADDITIONS
    names = ["n" * MAX_NAME_BYTES] * MAX_BATCH_ADDITIONS
    largest = SumBatchRequest(x=numbers, y=numbers, totals=names, request_id="i" * MAX_REQUEST_ID_BYTES)
    data = largest.SerializeToString()
    assert len(data) < MAX_MESSAGE_BYTES
    assert not wire.is_overfull(data)


def test_numbers_that_are_not_packed_fit_too() -> None:
    """Each with a tag of its own, as proto2 wrote them, is the same batch."""
    data = b"\x08\xff\xff\xff\xff\x0f" * MAX_BATCH_ADDITIONS + b"\x10\x01" * MAX_BATCH_ADDITIONS
    assert len(SumBatchRequest.FromString(data).x) == MAX_BATCH_ADDITIONS
    assert not wire.is_overfull(data)


@pytest.mark.parametrize(
    "data",
    [
        SumBatchRequest(x=[0] * 100_000).SerializeToString(),
        SumBatchRequest(x=[-1] * 9_000, y=[1] * 20_000).SerializeToString(),
        SumBatchRequest(totals=[""] * 50_000).SerializeToString(),
        b"\x08\x00" * 50_000,
        SumBatchRequest(x=[1] * 5_000).SerializeToString() * 20,
    ],
    ids=["packed", "together", "names", "tagged", "in parts"],
)
def test_far_more_than_a_batch_is_overfull(data: bytes) -> None:
    """However the numbers are written, and whichever list they are in."""
    assert len(data) > wire.HARMLESS_BYTES
    assert wire.is_overfull(data)


@pytest.mark.parametrize("end", [b"\x0b", b"\xff" * 11, b"\x0a\xff"], ids=["group", "endless tag", "endless length"])
def test_what_is_no_message_is_an_error(end: bytes) -> None:
    """Groups, and numbers that do not end."""
    with pytest.raises(ValueError, match=r"varint|wire type"):
        wire.is_overfull(SumBatchRequest(request_id="i" * wire.HARMLESS_BYTES).SerializeToString() + end)
