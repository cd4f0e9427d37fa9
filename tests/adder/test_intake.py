"""How many messages may be on their way in at once, and who gives way."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import pytest

from sumflow.adder.intake import MAX_SMALL_BYTES, Context, Intake, Places, reader
from sumflow.adder.requests import Refused
from sumflow.sums.sum_pb2 import SumNumbersRequest

pytestmark = pytest.mark.anyio


class Call:
    """A call whose message comes when the test says so."""

    def __init__(self) -> None:
        self.message: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def read(self) -> Any:
        """Wait for the message."""
        return await self.message


def reading(intake: Intake, count: int) -> list[tuple[Call, asyncio.Task[Any]]]:
    """Begin to read the messages of so many calls."""
    calls = [Call() for _ in range(count)]
    return [(call, asyncio.create_task(intake.read(cast("Context", call)))) for call in calls]


async def test_the_longest_waiting_gives_way_and_hears_when_to_come_again() -> None:
    """Of three in two places the first is refused with a delay; the others get their messages."""
    (_, first), *others = reading(Intake(2), 3)
    with pytest.raises(Refused) as refused:
        await first
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.retry_after_s
    for call, task in others:
        call.message.set_result("told")
        assert await task == "told"


async def test_a_message_that_came_takes_no_place() -> None:
    """Whatever the number of calls before, two that wait at once are let wait."""
    intake = Intake(2)
    for _ in range(5):
        ((call, task),) = reading(intake, 1)
        call.message.set_result("told")
        await task
    (first, one), (second, two) = reading(intake, 2)
    for call in (first, second):
        call.message.set_result("told")
    assert (await one, await two) == ("told", "told")


async def test_a_call_that_is_over_is_not_called_crowded_out() -> None:
    """Cancelling from outside stays a cancelling."""
    ((_, task),) = reading(Intake(1), 1)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_no_message_and_a_malformed_one_are_refused() -> None:
    """Both are the client's mistake."""
    for message in (None, grpc.aio.EOF):
        ((call, task),) = reading(Intake(1), 1)
        call.message.set_result(message)
        with pytest.raises(Refused) as refused:
            await task
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_is_large_or_malformed_is_not_kept() -> None:
    """The reader gives nothing for it; what is as large as allowed is read."""
    read = reader(SumNumbersRequest)
    assert read(SumNumbersRequest(x=1, request_id="a" * (MAX_SMALL_BYTES - 6)).SerializeToString()) is not None
    assert read(SumNumbersRequest(x=1, request_id="a" * MAX_SMALL_BYTES).SerializeToString()) is None
    assert read(b"\xff") is None


async def test_places_are_counted_and_given_back() -> None:
    """The second of one place is refused, until the first has left."""
    places = Places(1, "watchers")
    with places.one(), pytest.raises(Refused, match="1 watchers are open"), places.one():
        pass
    with places.one():
        assert places.taken == 1
