"""What is checked before anything is queued."""

from __future__ import annotations

import grpc
import pytest

from sumflow.adder import requests
from sumflow.adder.requests import Refused
from sumflow.sums.numbers import INT64_MAX, INT64_MIN

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("x", "y"), [(INT64_MAX, 1), (INT64_MIN, -1), (INT64_MAX, INT64_MAX), (INT64_MIN, INT64_MIN)])
async def test_a_sum_beyond_64_bits_is_out_of_range(x: int, y: int) -> None:
    """An overflow is refused with the sum that would not fit; it never wraps."""
    with pytest.raises(Refused) as refused:
        requests.single(x, y, "", None)
    assert refused.value.code is grpc.StatusCode.OUT_OF_RANGE
    assert str(x + y) in refused.value.message


@pytest.mark.parametrize(("x", "y"), [(INT64_MAX, 0), (INT64_MIN, 0), (INT64_MAX, INT64_MIN), (-1, INT64_MIN + 1)])
async def test_the_ends_of_the_range_are_in_it(x: int, y: int) -> None:
    """The largest and the smallest sum are accepted."""
    assert requests.single(x, y, "", None).xs == (x,)


async def test_a_batch_keeps_what_fits_and_names_what_does_not() -> None:
    """Overflowing additions are rejected by their index in the client's lists; order and pairing of the rest stand."""
    request = requests.batch([1, INT64_MAX, 3, INT64_MIN], [10, 1, 30, -1], "", None)
    assert (list(request.xs), list(request.ys)) == ([1, 3], [10, 30])
    assert sorted(request.rejected) == [1, 3]


@pytest.mark.parametrize(("x", "y"), [(INT64_MAX, 1), (INT64_MIN, -1)])
async def test_an_overflow_in_one_direction_is_enough(x: int, y: int) -> None:
    """A batch whose other sums are within the range names the one that is not."""
    request = requests.batch([1, x, 3], [10, y, 30], "", None, ("a", "b", "c"))
    assert (list(request.xs), list(request.totals), list(request.rejected)) == ([1, 3], ["a", "c"], [1])


@pytest.mark.parametrize(("xs", "ys"), [([], []), ([1], []), ([1], [1, 2]), ([0] * 10_001, [0] * 10_001)])
async def test_a_batch_of_the_wrong_form_is_invalid(xs: list[int], ys: list[int]) -> None:
    """Empty, unequal and oversized batches are refused as a whole, with their sizes."""
    with pytest.raises(Refused, match=f"{len(xs):,} and {len(ys):,}") as refused:
        requests.batch(xs, ys, "", None)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("request_id", ["x" * 129, "é" * 65, "a\0b"])
async def test_an_id_that_cannot_be_kept_is_invalid(request_id: str) -> None:
    """The limit counts bytes, and PostgreSQL's text knows no NUL."""
    with pytest.raises(Refused) as refused:
        requests.single(1, 1, request_id, None)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("request_id", ["x" * 128, "é" * 64])
async def test_the_longest_id_is_kept(request_id: str) -> None:
    """128 bytes, for one addition and for a batch."""
    assert requests.single(1, 1, request_id, None).request_id == request_id
    assert requests.batch([1], [1], request_id, None).request_id == request_id


async def test_the_digest_tells_requests_apart() -> None:
    """Swapped lists, moved numbers and other lengths are other requests; the same numbers are the same."""
    texts = {requests.batch(xs, ys, "", None).digest() for xs, ys in [([1], [2]), ([2], [1]), ([1, 2], [0, 0])]}
    assert len(texts) == 3
    assert requests.single(1, 2, "", None).digest() == requests.batch([1], [2], "", None).digest()


@pytest.mark.parametrize("text", ["", "00-abc", b"bytes", "00-" + "g" * 32 + "-" + "1" * 16 + "-01", "x\ty"])
def test_a_malformed_trace_context_is_dropped(text: str | bytes) -> None:
    """It never reaches the INSERT, and is no reason to refuse a number."""
    assert requests.traceparent_of(text) is None
