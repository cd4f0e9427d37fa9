"""Additions that name a total: stored with the name, tallied by lane and name in the same commit, published with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import grpc
import pytest
from confluent_kafka import Consumer, TopicPartition

from sumflow.adder import requests
from sumflow.adder.requests import Refused
from sumflow.settings import AdderSettings
from sumflow.sums.event import TOTAL_HEADER
from tests.adder.support import relay_settings, rows, running_relay, running_writer, until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
NASTY = 'a "b" {c}, \\d NULL é'
TALLIES = "SELECT total, count, sum FROM lane_totals ORDER BY 1"


async def test_what_a_lane_has_under_each_name_is_stored_with_its_events(settings: AdderSettings) -> None:
    """Named, unnamed and mixed requests in one lane: the rows say what the events make, to the last unit."""
    big = 2**62
    async with running_writer(settings) as writer:
        await asyncio.gather(
            writer.submit(requests.single(1, 2, "", None)),
            writer.submit(requests.single(big, big - 1, "", None, "rent")),
            writer.submit(requests.batch([big] * 3, [5] * 3, "", None, [NASTY, "", "rent"])),
        )
        await writer.submit(requests.single(-1, 0, "", None, NASTY))
    assert rows(settings, TALLIES) == [(NASTY, 2, Decimal(big + 4)), ("rent", 2, Decimal(3 * big + 4))]
    by_events = "SELECT total, count(*), sum(x::numeric + y) FROM events WHERE total IS NOT NULL GROUP BY 1 ORDER BY 1"
    assert rows(settings, by_events.replace("total,", 'total COLLATE "C",', 1)) == rows(settings, TALLIES)
    assert rows(settings, "SELECT count FROM lanes") == [(6,)]


async def test_additions_without_a_name_leave_no_row(settings: AdderSettings) -> None:
    """A batch of empty names is a batch without names, for its retries too."""
    async with running_writer(settings) as writer:
        first = await writer.submit(requests.batch([1, 2], [0, 0], "id", None, requests.names(2, "", ["", ""])))
        assert await writer.submit(requests.batch([1, 2], [0, 0], "id", None)) == first
    assert rows(settings, TALLIES) == []


async def test_a_retry_names_the_same_total(settings: AdderSettings) -> None:
    """The name belongs to what a request id stands for, together with the numbers, now and later."""
    async with running_writer(settings) as writer:
        first = await writer.submit(requests.single(1, 2, "id", None, "rent"))
        assert await writer.submit(requests.single(1, 2, "id", None, "rent")) == first
        for name in ("food", ""):
            with pytest.raises(Refused, match=r"1 \+ 2 in the total 'rent'") as refused:
                await writer.submit(requests.single(1, 2, "id", None, name))
            assert refused.value.code is grpc.StatusCode.ALREADY_EXISTS
        await writer.submit(requests.batch([1, 1], [2, 2], "batch", None, ["rent", "food"]))
        with pytest.raises(Refused):
            await writer.submit(requests.batch([1, 1], [2, 2], "batch", None, ["food", "rent"]))
    assert rows(settings, TALLIES) == [("food", 1, 3), ("rent", 2, 6)]


async def test_two_adders_keep_their_own_rows(settings: AdderSettings) -> None:
    """A lane is written by one session alone, and so are its names: nobody waits for anybody."""
    for _ in range(2):
        async with running_writer(settings) as writer:
            await writer.submit(requests.single(1, 2, "", None, "rent"))
    assert rows(settings, "SELECT lane, total, count, sum FROM lane_totals ORDER BY 1") == [
        (1, "rent", 1, 3),
        (2, "rent", 1, 3),
    ]


async def test_the_name_travels_in_a_header(
    settings: AdderSettings, kafka_bootstrap: str, make_topic: Callable[[int], str]
) -> None:
    """A record has the header if and only if its addition has a name; the value knows nothing of it."""
    relay = relay_settings(settings, kafka_bootstrap, make_topic(3))
    async with running_writer(settings) as writer, running_relay(relay):
        await writer.submit(requests.batch([1, 2, 3], [0, 0, 0], "", None, [NASTY, "", "rent"]))
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq = 3"))
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "x"})
    consumer.assign([TopicPartition(relay.kafka_topic, partition, 0) for partition in range(3)])
    messages = consumer.consume(3, timeout=10)
    consumer.close()
    headers = [dict(message.headers() or []).get(TOTAL_HEADER) for message in messages]
    assert headers == [NASTY.encode(), None, b"rent"]
    assert b"rent" not in (messages[2].value() or b"rent")


async def test_names_fit_their_batch() -> None:
    """One name for all or one for each; anything else, and a name that is none, is refused as a whole."""
    assert requests.names(3, "rent") == ["rent"] * 3
    assert requests.names(2, "", ["", "rent"]) == ["", "rent"]
    assert (requests.names(2, ""), requests.names(2, "", ["", ""])) == ((), ())
    for size, total, totals in [(2, "", ["rent"]), (2, "rent", ["a", "b"]), (1, "a\nb", ()), (2, "", ["a", "x" * 129])]:
        with pytest.raises(Refused) as refused:
            requests.names(size, total, totals)
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_names_stay_with_their_additions_when_others_are_rejected() -> None:
    """An addition that overflows leaves the batch with its name."""
    request = requests.batch([1, 2**63 - 1, 3], [0, 1, 0], "", None, ["a", "b", "c"])
    assert (list(request.xs), list(request.totals)) == ([1, 3], ["a", "c"])


async def test_no_names_look_like_numbers() -> None:
    """Two additions and one addition with sixteen bytes of name are two requests."""
    numbers = requests.batch([1, 0x6161616161616161], [2, 0x6161616161616161], "", None)
    named = requests.batch([1], [0x6161616161616161], "", None, ["\x02" + "\0" * 7 + "a" * 8])
    assert len({numbers.digest(), named.digest(), requests.single(1, 2, "", None, "a").digest()}) == 3
