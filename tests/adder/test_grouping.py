"""The queue is bounded, groups fit a commit, and every addition gets the next seq."""

from __future__ import annotations

import uuid

import grpc
import pytest

from sumflow.adder import requests
from sumflow.adder.grouping import Known, Queue, columns, place, split_repeats, total
from sumflow.adder.requests import Refused, Request
from sumflow.sums.event import Position

pytestmark = pytest.mark.anyio


def request(size: int = 1, request_id: str = "", value: int = 0) -> Request:
    """A request of so many additions."""
    return requests.batch([value] * size, [1] * size, request_id, None)


async def test_a_full_queue_refuses_and_keeps_what_it_has() -> None:
    """Beyond the limit callers hear RESOURCE_EXHAUSTED, and what waited before is still there."""
    queue = Queue(10)
    queue.put(request(10))
    with pytest.raises(Refused) as refused:
        queue.put(request(1))
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [len(r) for r in queue.take_all()] == [10]
    assert queue.additions == 0


async def test_one_request_always_fits_an_empty_queue() -> None:
    """A limit below a batch's size slows batches down; it does not make them impossible."""
    queue = Queue(10)
    queue.put(request(100))
    assert len(queue.take_group()) == 1


async def test_a_group_fits_a_commit_and_keeps_the_order() -> None:
    """At most 10,000 additions are taken at once, the oldest first, and nothing is left out."""
    queue = Queue(100_000)
    sizes = [4_000, 5_000, 2_000, 10_000, 1]
    for size in sizes:
        queue.put(request(size))
    groups = [[len(r) for r in queue.take_group()] for _ in range(4)]
    assert groups == [[4_000, 5_000], [2_000], [10_000], [1]]
    assert queue.additions == 0


async def test_a_request_whose_caller_is_gone_is_not_stored() -> None:
    """A cancelled call that no commit has taken yet leaves no trace."""
    queue = Queue(10)
    gone, stays = request(), request()
    queue.put(gone)
    queue.put(stays)
    gone.answer.cancel()
    assert queue.take_group() == [stays]


async def test_places_are_contiguous() -> None:
    """Each request's last seq is the one before plus its size."""
    assert [item.last_seq for item in place([request(3), request(1), request(2)], 7)] == [10, 11, 13]


async def test_repeats_within_a_group_are_set_apart() -> None:
    """The first of an id is stored; requests without one are never repeats of each other."""
    a, again, plain, plain2 = request(1, "a"), request(1, "a"), request(), request()
    assert split_repeats([plain, a, again, plain2]) == ([plain, a, plain2], [again])


async def test_columns_are_in_the_order_of_the_seqs() -> None:
    """Additions of all requests follow each other; a missing trace is NULL, and no trace at all is no column."""
    traced = requests.single(5, 6, "", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    found = columns(place([request(2, value=-4), traced], 0))
    assert (found.xs, found.ys) == ("{-4,-4,5}", "{1,1,6}")
    assert found.traceparents == f"{{NULL,NULL,{traced.traceparent}}}"
    assert columns(place([request(2)], 0)).traceparents == "{}"


async def test_the_lanes_sum_is_exact_beyond_64_bits() -> None:
    """Ten thousand of the largest sums are added without loss."""
    big = requests.batch([2**62] * 10_000, [2**62 - 1] * 10_000, "", None)
    assert total([big]) == 10_000 * (2**63 - 1)


async def test_what_is_remembered_of_a_request_is_its_first_addition() -> None:
    """It names the request when its id is used for another; the position is that of the last."""
    batch = requests.batch([3, 5], [4, 6], "a", None, ("first", "second"))
    lane = uuid.uuid4()
    (item,) = place([batch], 7)
    assert item.known(lane) == Known(Position(lane, 9), batch.digest(), 3, 4, "first")


async def test_an_id_with_other_numbers_is_refused_with_the_first_ones() -> None:
    """A retry gets the first position; another request under the same id is told what the id stands for."""
    first = requests.single(3, 4, "a", None)
    known = Known(Position(uuid.uuid4(), 8), first.digest(), 3, 4)
    assert known.outcome_for(requests.single(3, 4, "a", None)) == known.position
    refused = known.outcome_for(requests.single(3, 5, "a", None))
    assert isinstance(refused, Refused)
    assert refused.code is grpc.StatusCode.ALREADY_EXISTS
    assert "3 + 4" in refused.message
