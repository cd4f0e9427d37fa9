"""What the adder's tests share: a test's own settings, writers and relays in its loop, and looking at results."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import psycopg
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry
from psycopg.conninfo import conninfo_to_dict

from sumflow import database
from sumflow.adder import main, requests
from sumflow.adder.companions import Companions
from sumflow.adder.intake import Intake
from sumflow.adder.metrics import AdderMetrics, RelayMetrics
from sumflow.adder.relay import Relay
from sumflow.adder.service import SERVICE_NAME, SumService
from sumflow.adder.writer import Writer
from sumflow.settings import AdderSettings, Address, RelaySettings
from sumflow.sums.event import LANE_HEADER, SEQ_HEADER, Position
from tests.ports import free_address


def adder_settings(database_url: str, **changes: Any) -> AdderSettings:
    """Return settings of an adder on a test's database."""
    parts = conninfo_to_dict(database_url)
    settings = AdderSettings(
        postgres_address=Address(str(parts["host"]), int(parts["port"] or 5432)),
        postgres_user=str(parts["user"]),
        postgres_password=str(parts.get("password", "none")),
        postgres_db=str(parts["dbname"]),
        metrics_listen=free_address(),
        grpc_listen=free_address(),
        instance="adder-0",
    )
    return msgspec.structs.replace(settings, **changes)


def relay_settings(adder: AdderSettings, kafka: str, topic: str, **changes: Any) -> RelaySettings:
    """Return settings of a relay on an adder's database."""
    settings = RelaySettings(
        postgres_address=adder.postgres_address,
        postgres_user=adder.postgres_user,
        postgres_password=adder.postgres_password,
        postgres_db=adder.postgres_db,
        metrics_listen=free_address(),
        instance=adder.instance,
        kafka_bootstrap_servers=kafka,
        kafka_topic=topic,
        relay_adoption_interval_s=0.2,
    )
    return msgspec.structs.replace(settings, **changes)


async def until(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    """Ask until the condition is true, and return what it said; fail when its time is over."""
    limit = time.monotonic() + within_s
    while not (said := await asyncio.to_thread(condition)):
        assert time.monotonic() < limit, "the condition did not become true in its time"
        await asyncio.sleep(0.02)
    return said


@contextlib.asynccontextmanager
async def running_writer(settings: AdderSettings, metrics: AdderMetrics | None = None) -> AsyncIterator[Writer]:
    """A writer with an open lane; stopped in good order at the end."""
    writer = Writer(settings, metrics or AdderMetrics(CollectorRegistry()), asyncio.Event())
    task = asyncio.create_task(writer.run())
    await until(lambda: writer.problem() is None)
    try:
        yield writer
    finally:
        writer.stop()
        await asyncio.wait_for(task, 15)


@contextlib.asynccontextmanager
async def running_relay(settings: RelaySettings) -> AsyncIterator[Relay]:
    """A relay in this loop; stopped in good order at the end."""
    relay = Relay(settings, RelayMetrics(CollectorRegistry()))
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        relay.stop()
        await asyncio.wait_for(task, 15)


@contextlib.asynccontextmanager
async def running_server(settings: AdderSettings, writer: Writer) -> AsyncIterator[tuple[SumService, Companions]]:
    """The gRPC face of a writer, served until the end of the block."""
    intake = Intake()
    service = SumService(writer, AdderMetrics(CollectorRegistry()), settings.adder_max_streams, intake)
    companions = Companions(SERVICE_NAME, intake)
    server = await main.start_server(settings, service, companions)
    try:
        yield service, companions
    finally:
        await server.stop(0)


async def add(writer: Writer, x: int, y: int, request_id: str = "") -> Position:
    """Add one pair."""
    return await writer.submit(requests.single(x, y, request_id, None))


def rows(settings: AdderSettings, query: str, *parameters: Any) -> list[Any]:
    """Return what the adder's database answers."""
    with psycopg.connect(database.conninfo(settings, "test"), autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def published(kafka: str, topic: str) -> dict[tuple[uuid.UUID, int], list[int]]:
    """Return the seqs of each (lane, partition) in the order in which the topic holds them."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": uuid.uuid4().hex, "enable.auto.commit": False})
    found: dict[tuple[uuid.UUID, int], list[int]] = defaultdict(list)
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            consumer.assign([TopicPartition(topic, partition, low)])
            at = low
            while at < high:
                for message in consumer.consume(5000, timeout=0.3):
                    headers = {k: v for k, v in dict(message.headers() or []).items() if isinstance(v, bytes)}
                    lane = uuid.UUID(headers[LANE_HEADER].decode())
                    found[lane, partition].append(int(headers[SEQ_HEADER]))
                    at = (message.offset() or 0) + 1
    finally:
        consumer.close()
    return dict(found)


def has_gap(seqs: list[int]) -> bool:
    """Tell whether a consumer that counts contiguous seqs would ever meet one above its mark + 1."""
    mark = 0
    for seq in seqs:
        if seq > mark + 1:
            return True
        mark = max(mark, seq)
    return False
