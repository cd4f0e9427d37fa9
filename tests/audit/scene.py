"""A true history on real servers, made once by the real services, and copies of it that tests may spoil."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import sql

from sumflow.adder import requests
from sumflow.audit import records
from sumflow.audit.books import SystemBooks
from sumflow.audit.compare import compare
from sumflow.audit.findings import Kind, Report
from sumflow.database import migrate
from sumflow.sums.event import Position
from tests.adder.support import adder_settings, relay_settings, rows, running_relay, running_writer, until
from tests.totalizer.bench import Bench
from tests.totalizer.conftest import settings_for

PARTITIONS: Final = 3
FOREIGN: Final = [uuid.UUID(int=number) for number in (11, 12, 13)]
LANE_EVENTS: Final = 40
TOTALS: Final = ("", "rent", "food", "rent")
"""The second lane's events name these in turn, and so do the foreign events."""
_NUMBER: Final = "(SELECT number FROM lanes WHERE lane = LANE)"
_WHEN: Final = "(SELECT max(created_at) FROM events)"
Kept = tuple[int, bytes | None, list[tuple[str, bytes | None]]]


@dataclass(frozen=True)
class Original:
    """Two lanes of forty events, three foreign events and a record that is no event, all of it counted.

    The second lane's events and the foreign ones name totals.
    """

    postgres_url: str
    kafka: str
    adder: str
    totalizer: str
    records: list[Kept]
    lanes: tuple[uuid.UUID, uuid.UUID]


@dataclass
class Scene:
    """A copy of the original."""

    original: Original
    adder: str
    totalizer: str
    topic: str

    @property
    def lane(self) -> uuid.UUID:
        """The lane that tests spoil."""
        return self.original.lanes[0]

    def at(self, seq: int) -> str:
        """Name an event of that lane as the audit does."""
        return f"{self.lane}:{seq}"

    def books(self) -> SystemBooks:
        """Return the books of this copy."""
        return SystemBooks.of_servers(self.adder, self.totalizer, self.original.kafka, self.topic)

    def audit(self) -> Report:
        """Audit without events."""
        return compare(self.books().cut())

    def deep(self) -> Report:
        """Audit event by event."""
        report = self.audit()
        report.include(self.books().deep(lambda count: None))
        return report

    def spoil(self, side: str, statement: str) -> None:
        """Change one row of a side; LANE, NUMBER and WHEN stand for the lane, its number and a time of its events."""
        with psycopg.connect({"adder": self.adder, "totalizer": self.totalizer}[side], autocommit=True) as connection:
            for word, meaning in {"WHEN": _WHEN, "NUMBER": _NUMBER, "LANE": f"'{self.lane}'"}.items():
                statement = statement.replace(word, meaning)
            changed = connection.execute(statement.encode())
            assert changed.rowcount == 1, statement

    def send(self, value: bytes | None, headers: list[tuple[str, bytes | None]], partition: int) -> None:
        """Append a record to the topic."""
        _produce(self.original.kafka, self.topic, [(partition, value, headers)])

    @contextmanager
    def transaction(self, partition: int) -> Iterator[int]:
        """Have a producer's transaction open on a partition; yield the offset of its one record."""
        offsets: list[int | None] = []
        producer = Producer({"bootstrap.servers": self.original.kafka, "transactional.id": self.topic})
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce(
            self.topic, b"not yet", partition=partition, on_delivery=lambda _, message: offsets.append(message.offset())
        )
        assert producer.flush(20) == 0
        yield offsets[0] or 0
        producer.abort_transaction(20)

    def partition(self) -> int:
        """Return the lane's partition."""
        with psycopg.connect(self.adder) as connection:
            ((partition,),) = connection.execute("SELECT partition FROM lanes WHERE lane = %s", (self.lane,)).fetchall()
        return int(partition)


def named(report: Report) -> set[tuple[Kind, str]]:
    """Return kind and subject of each finding."""
    return {(each.kind, each.subject) for each in report.findings}


@contextmanager
def original(postgres_url: str, kafka: str) -> Iterator[Original]:
    """Let the real services make the history."""
    with database(postgres_url) as adder, database(postgres_url) as totalizer, _topic(kafka) as topic:
        lanes = asyncio.run(_accept_and_publish(adder, kafka, topic))
        settings = settings_for(totalizer, kafka, topic)
        migrate(settings, "sumflow.totalizer")
        with psycopg.connect(totalizer, autocommit=True) as connection:
            bench = Bench(settings, connection)
            for number, event_id in enumerate(FOREIGN):
                bench.add_foreign(event_id, 100 + number, number, TOTALS[number])
            bench.send(b"no event", None, 1)
            bench.close()
            with bench.running():
                bench.eventually(lambda: bench.total()[0], 2 * LANE_EVENTS + len(FOREIGN))
                bench.eventually(lambda: bench.query("SELECT count(*) FROM dead_letters"), [(1,)])
        yield Original(postgres_url, kafka, adder, totalizer, _records(kafka, topic), lanes)


@contextmanager
def copied(made: Original, records_: list[Kept] | None = None) -> Iterator[Scene]:
    """Copy the history; `records_` are the topic's, if not the original's."""
    with (
        database(made.postgres_url, made.adder) as adder,
        database(made.postgres_url, made.totalizer) as totalizer,
        _topic(made.kafka) as topic,
    ):
        _produce(made.kafka, topic, made.records if records_ is None else records_)
        identity = records.identity(made.kafka, topic)
        with psycopg.connect(totalizer, autocommit=True) as connection:
            for table in ("offsets", "lane_marks", "dead_letters"):
                connection.execute(sql.SQL("UPDATE {} SET topic = {}").format(sql.Identifier(table), topic))
            for table in ("offsets", "dead_letters"):
                change = sql.SQL("UPDATE {} SET topic_id = {}").format(sql.Identifier(table), identity)
                connection.execute(change)
        yield Scene(made, adder, totalizer, topic)


async def _accept_and_publish(adder: str, kafka: str, topic: str) -> tuple[uuid.UUID, uuid.UUID]:
    settings = adder_settings(adder)
    lanes: list[uuid.UUID] = []
    for first in (1, 1001):
        async with running_writer(settings) as writer:
            xs = list(range(first, first + LANE_EVENTS))
            totals = [TOTALS[n % len(TOTALS)] for n in range(LANE_EVENTS)] if lanes else ()
            lanes.append((await writer.submit(requests.batch(xs, [7] * LANE_EVENTS, "", None, totals))).lane)
    async with running_relay(relay_settings(settings, kafka, topic)):
        await until(lambda: rows(settings, "SELECT count(*) FROM lanes WHERE drained_at IS NULL") == [(0,)])
    return lanes[0], lanes[1]


@contextmanager
def database(postgres_url: str, template: str = "") -> Iterator[str]:
    """A database of its own, empty or a copy."""
    name = f"a{uuid.uuid4().hex}"
    copy = f' TEMPLATE "{psycopg.conninfo.conninfo_to_dict(template)["dbname"]}"' if template else ""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"{copy}'.encode())
        yield psycopg.conninfo.make_conninfo(postgres_url, dbname=name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def _topic(kafka: str) -> Iterator[str]:
    admin, name = AdminClient({"bootstrap.servers": kafka}), f"a-{uuid.uuid4().hex}"
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


def _records(kafka: str, topic: str) -> list[Kept]:
    with records.read(kafka, topic, records.extents(kafka, topic)) as reading:
        messages = sorted((m for batch in reading.batches for m in batch), key=lambda m: (m.partition(), m.offset()))
    return [(m.partition() or 0, m.value(), cast("Any", m.headers() or [])) for m in messages]


def _produce(kafka: str, topic: str, kept: list[Kept]) -> None:
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
    for partition, value, headers in kept:
        producer.produce(topic, value, partition=partition, headers=cast("Any", headers))
    assert producer.flush(20) == 0


def position(headers: list[tuple[str, bytes | None]]) -> Position | None:
    """Return the place that a record's headers name."""
    told = {name: (value or b"").decode() for name, value in headers}
    return Position.parse(f"{told['lane']}:{told['seq']}") if "lane" in told else None
