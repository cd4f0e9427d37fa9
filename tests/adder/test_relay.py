"""Every stored event reaches its lane's partition at least once, in order, and without gaps."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry

from sumflow import database
from sumflow.adder import requests
from sumflow.adder.claims import Choice, Lane
from sumflow.adder.lanes import Claim
from sumflow.adder.metrics import RelayMetrics
from sumflow.adder.publisher import Publisher, Row
from sumflow.adder.relay_session import FLUSH_S, RelaySession
from sumflow.settings import AdderSettings, RelaySettings
from sumflow.sums.event import decode
from tests.adder.proxy import Proxy
from tests.adder.support import add, has_gap, published, relay_settings, rows, running_relay, running_writer, until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
DRAINED = "SELECT count(*) FROM lanes WHERE drained_at IS NULL"
LOCKS = """SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()
WHERE locktype = 'advisory' AND objid = %s::oid"""


@pytest.fixture
def relay(settings: AdderSettings, kafka_bootstrap: str, make_topic: Callable[[int], str]) -> RelaySettings:
    """Settings of the relay beside the adder, with a topic of this test's own."""
    return relay_settings(settings, kafka_bootstrap, make_topic(3))


def complete(relay: RelaySettings, lanes: dict[uuid.UUID, int]) -> bool:
    """Check that the topic holds exactly these lanes, each in one partition, from 1 to its end, without gaps."""
    found = published(relay.kafka_bootstrap_servers, relay.kafka_topic)
    assert {lane: max(seqs) for (lane, _), seqs in found.items()} == lanes
    assert len(found) == len(lanes), "a lane is in one partition"
    assert not [lane for lane, seqs in found.items() if has_gap(seqs)]
    return True


def behind(proxy: Proxy, relay: RelaySettings) -> RelaySettings:
    """Settings of a relay that reaches its database through the proxy."""
    return msgspec.structs.replace(relay, postgres_address=proxy.address)


async def store(settings: AdderSettings, additions: int) -> uuid.UUID:
    """Store so many additions in a lane that is closed afterwards; return the lane."""
    async with running_writer(settings) as writer:
        sizes = [10_000] * (additions // 10_000) + [additions % 10_000]
        positions = [await writer.submit(requests.batch([1] * n, [1] * n, "", None)) for n in sizes if n]
        return positions[0].lane


async def drained(settings: AdderSettings) -> None:
    """Wait until every lane is closed and published to its end."""
    await until(lambda: rows(settings, DRAINED) == [(0,)], 30)


async def test_a_lane_is_published_whole_closed_and_drained(settings: AdderSettings, relay: RelaySettings) -> None:
    """More events than are in flight at a time: in order, without duplicates while nothing fails; no lock is left."""
    lane = await store(settings, 60_001)
    async with running_relay(relay):
        await drained(settings)
        await until(lambda: rows(settings, LOCKS, 1) == [(0,)])
    assert complete(relay, {lane: 60_001})
    assert [len(seqs) for seqs in published(relay.kafka_bootstrap_servers, relay.kafka_topic).values()] == [60_001]
    assert rows(settings, "SELECT published_seq FROM lanes") == [(60_001,)]


async def test_the_record_is_the_contracts(settings: AdderSettings, relay: RelaySettings) -> None:
    """Value, key and headers of one event, as another program reads them."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with running_writer(settings) as writer, running_relay(relay):
        position = await writer.submit(requests.single(40, 2, "", trace))
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq = 1"))
    consumer = Consumer({"bootstrap.servers": relay.kafka_bootstrap_servers, "group.id": "x"})
    consumer.assign([TopicPartition(relay.kafka_topic, partition, 0) for partition in range(3)])
    (message,) = consumer.consume(1, timeout=10)
    consumer.close()
    event = decode(message.value())
    assert (event.payload.x, event.payload.y, event.payload.result) == (40, 2, 42)
    assert event.published_at
    assert event.published_at >= event.created_at
    assert json.loads(message.value() or b"")["created_at"].endswith("Z")
    assert message.key() == position.lane.bytes
    assert dict(message.headers() or []) == {
        "lane": str(position.lane).encode(), "seq": b"1", "traceparent": trace.encode()
    }  # fmt: skip


async def test_a_relay_begins_right_after_what_is_recorded(settings: AdderSettings, relay: RelaySettings) -> None:
    """The next relay sends the first event that is not recorded as published, and no earlier one."""
    lane = await store(settings, 10)
    rows(settings, "UPDATE lanes SET published_seq = 4")
    async with running_relay(relay):
        await drained(settings)
    found = published(relay.kafka_bootstrap_servers, relay.kafka_topic)
    assert [(key[0], seqs) for key, seqs in found.items()] == [(lane, [5, 6, 7, 8, 9, 10])]


async def test_a_lane_that_another_relay_took_meanwhile_is_left_to_it(
    settings: AdderSettings, relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that saw a lane unclaimed at the same moment only one publishes it."""
    await store(settings, 10)
    surveys: list[Lane] = []

    def everything(lanes: list[Lane], *_: object) -> Choice:
        surveys.extend(lanes)
        return Choice(tuple(lanes), frozenset())

    monkeypatch.setattr("sumflow.adder.relay_session.choose", everything)
    with psycopg.connect(database.conninfo(settings, "another"), autocommit=True) as another:
        another.execute("SELECT pg_advisory_lock(2, number) FROM lanes")
        async with running_relay(relay):
            await until(lambda: len(surveys) > 1)
    assert rows(settings, "SELECT partition FROM lanes") == [(None,)]


async def test_locks_of_another_database_are_no_claims(settings: AdderSettings, relay: RelaySettings) -> None:
    """Numbers of lanes begin at 1 in each database of a server: who holds one there holds nothing here."""
    lane = await store(settings, 10)
    elsewhere = msgspec.structs.replace(settings, postgres_db="postgres")
    with psycopg.connect(database.conninfo(elsewhere, "elsewhere"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock_shared(2, 1)")
        async with running_relay(relay):
            await drained(settings)
    assert complete(relay, {lane: 10})


async def test_two_relays_share_one_database(settings: AdderSettings, relay: RelaySettings) -> None:
    """Two adders and two relays: each lane is published once, by one of them."""
    other = msgspec.structs.replace(settings, instance="adder-1")
    async with running_relay(relay), running_relay(msgspec.structs.replace(relay, instance="adder-1")):
        one, two = await asyncio.gather(store(settings, 5_000), store(other, 7_000))
        await drained(settings)
    assert complete(relay, {one: 5_000, two: 7_000})
    found = published(relay.kafka_bootstrap_servers, relay.kafka_topic)
    assert sorted(map(len, found.values())) == [5_000, 7_000]


async def test_a_lost_notification_costs_an_interval_and_nothing_else(
    settings: AdderSettings, relay: RelaySettings
) -> None:
    """Events that nobody was told of are found by the next survey."""
    async with running_writer(settings) as writer, running_relay(relay):
        await add(writer, 1, 1)
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq = 1"))
        with psycopg.connect(database.conninfo(settings, "test")) as connection:
            connection.execute("INSERT INTO events SELECT number, 2, 5, 5, now() FROM lanes")
            connection.execute("UPDATE lanes SET last_seq = 2, count = 2")
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq = 2"))


async def test_a_commit_is_heard_of_without_a_survey(settings: AdderSettings, relay: RelaySettings) -> None:
    """A relay that looks around once an hour publishes at once all the same, also a lane that it has not seen yet."""
    async with running_relay(msgspec.structs.replace(relay, relay_adoption_interval_s=3600.0)) as running:
        await until(lambda: running._session)
        for number in (1, 2):
            async with running_writer(settings) as writer:
                for seq in (1, 2):
                    await add(writer, 1, 1)
                    published_to = "SELECT 1 FROM lanes WHERE number = %s AND published_seq = %s"
                    await until(partial(rows, settings, published_to, number, seq))


class _Sink:
    """In the place of a publisher: what it is given arrives when it is flushed.

    Args:
        taken: is called after events are taken.
    """

    failure: str | None = None

    def __init__(self, taken: Callable[[], None]) -> None:
        self._taken = taken
        self._sent: list[tuple[Claim, int]] = []
        self.waited_s: float | None = None

    def has_room(self) -> bool:
        """There is."""
        return True

    def publish(self, claim: Claim, read: list[Row]) -> None:
        """Take events."""
        self._sent += [(claim, row[0]) for row in read]
        claim.sent_seq = read[-1][0]
        self._taken()

    def flush(self, within_s: float) -> None:
        """Acknowledge everything."""
        self.waited_s = within_s
        for claim, seq in self._sent:
            claim.acknowledged.add(seq)


@pytest.mark.parametrize(("instance", "adopted"), [("adder-0", 0), ("stranger", 1)])
async def test_what_is_on_its_way_at_a_stop_is_awaited_and_recorded(
    settings: AdderSettings, relay: RelaySettings, instance: str, adopted: int
) -> None:
    """The next relay repeats nothing, nothing is read again for nothing, and the metrics say what was done."""
    await store(settings, 10)
    stopping, registry = asyncio.Event(), CollectorRegistry()
    sink = _Sink(stopping.set)
    told = msgspec.structs.replace(relay, instance=instance)
    session = RelaySession(told, RelayMetrics(registry), asyncio.Event(), stopping)
    await session.run(cast("Publisher", sink), 3)
    assert rows(settings, "SELECT published_seq FROM lanes") == [(10,)]
    assert (sink.waited_s, session._dirty) == (FLUSH_S, set())
    assert registry.get_sample_value("relay_lanes_adopted_total") == adopted
    assert registry.get_sample_value("relay_unpublished_events") == 10
    labels = {"topic": relay.kafka_topic, "status": "success"}
    assert registry.get_sample_value("kafka_messages_produced_total", labels) == 10


async def test_a_producer_that_failed_is_not_waited_for(settings: AdderSettings, relay: RelaySettings) -> None:
    """What it has acknowledged is recorded all the same; the next one sends the rest."""
    await store(settings, 10)
    sink = _Sink(lambda: setattr(sink, "failure", "made up by the test"))
    session = RelaySession(relay, RelayMetrics(CollectorRegistry()), asyncio.Event(), asyncio.Event())
    await session.run(cast("Publisher", sink), 3)
    assert rows(settings, "SELECT published_seq FROM lanes") == [(10,)]
    assert sink.waited_s == 0


async def test_a_dead_writers_lane_is_adopted_closed_and_drained(settings: AdderSettings, relay: RelaySettings) -> None:
    """The writer's session ends without a farewell and its own relay is gone: a stranger's relay does the rest."""
    async with running_writer(settings) as writer:
        positions = [await add(writer, n, n) for n in range(10)]
        async with running_relay(msgspec.structs.replace(relay, instance="stranger")):
            await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq = 10"))
            assert rows(settings, "SELECT closed_at FROM lanes") == [(None,)], "its writer still lives"
            rows(
                settings, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'adder %'"
            )
            await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE number = 1 AND drained_at IS NOT NULL"))
            await until(lambda: rows(settings, LOCKS, 1) == [(0,)])
    assert complete(relay, {positions[0].lane: 10})


async def test_a_relay_that_loses_its_session_starts_over(settings: AdderSettings, relay: RelaySettings) -> None:
    """Cut again and again in the middle of a lane: duplicates at most, never a gap, and the lane is drained."""
    lane = await store(settings, 50_000)
    reached = "SELECT 1 FROM lanes WHERE published_seq >= %s"
    async with Proxy(settings.postgres_address) as proxy, running_relay(behind(proxy, relay)):
        for part in (1, 10_000, 20_000, 30_000):
            await until(partial(rows, settings, reached, part))
            proxy.drop()
        await drained(settings)
    assert complete(relay, {lane: 50_000})


async def test_a_failed_producer_is_replaced(settings: AdderSettings, relay: RelaySettings) -> None:
    """After a failure everything behind the acknowledged part is sent again by another producer."""
    lane = await store(settings, 30_000)
    async with running_relay(relay) as running:
        await until(lambda: running._session)
        publisher = await until(lambda: running._publisher)
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE published_seq > 0"))
        publisher.failure = "made up by the test"
        await drained(settings)
        assert running._publisher is not publisher
    assert complete(relay, {lane: 30_000})


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM events WHERE seq = 5", "DELETE FROM events WHERE seq = 1", "UPDATE events SET seq = 4 WHERE seq = 5"],
    ids=["within", "first", "one doubled instead"],
)
async def test_a_hole_in_the_outbox_stops_its_lane_and_no_other(
    settings: AdderSettings, relay: RelaySettings, damage: str
) -> None:
    """Rows that were changed by hand are never skipped silently: the relay says which lane, and is not ready."""
    broken = await store(settings, 10)
    rows(settings, damage)
    whole = await store(settings, 10)
    async with running_relay(relay) as running:
        await until(lambda: str(broken) in (running.problem() or ""))
        await until(lambda: rows(settings, "SELECT 1 FROM lanes WHERE drained_at IS NOT NULL"))
    assert complete(relay, {whole: 10})


async def test_without_the_topic_the_relay_says_so_and_waits(settings: AdderSettings, relay: RelaySettings) -> None:
    """A missing topic is named on the readiness page; accepting goes on."""
    missing = msgspec.structs.replace(relay, kafka_bootstrap_servers="127.0.0.1:1")
    async with running_writer(settings) as writer, running_relay(missing) as running:
        await until(lambda: "Kafka cannot be reached" in (running.problem() or ""))
        assert (await add(writer, 1, 1)).seq == 1
