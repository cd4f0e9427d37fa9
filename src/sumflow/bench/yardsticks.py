"""What the same servers do with nothing of ours: PostgreSQL by COPY, Kafka by its own client there and back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sumflow.bench.loads import BATCH
from sumflow.database.queries import queries
from sumflow.errors import SumflowError
from sumflow.telemetry.logs import QUIET

_sql = queries("sumflow.bench")
_VALUE: Final = b"x" * 330
"""As long as an event's JSON."""
_TIMEOUT_S: Final = 60.0
_FETCH: Final = 5_000


def copy_rate(conninfo: str, rows: int) -> float:
    """Return the rows a second that one session stores by COPY, a transaction for every BATCH of them."""
    with _table(conninfo) as connection:
        began = time.perf_counter()
        for first in range(1, rows + 1, BATCH):
            with connection.cursor().copy(_sql.copy_yardstick.encode()) as copy:
                copy.set_types(["int4", "int8", "int8", "int8"])
                for seq in range(first, first + BATCH):
                    copy.write_row((1, seq, 1, 1))
        return rows / (time.perf_counter() - began)


@contextmanager
def _table(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """Give a session in autocommit with the yardstick's table, which is gone after the block."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_sql.drop_yardstick.encode())
        connection.execute(_sql.create_yardstick.encode())
        try:
            yield connection
        finally:
            connection.execute(_sql.drop_yardstick.encode())


@contextmanager
def topic(bootstrap: str, like: str) -> Iterator[str]:
    """Create a topic with as many partitions and replicas as another one has; delete it after the block."""
    admin = AdminClient({"bootstrap.servers": bootstrap}, logger=QUIET)
    try:
        found = admin.list_topics(like, timeout=_TIMEOUT_S).topics[like].partitions
        name = f"sumflow-bench-{uuid.uuid4().hex[:12]}"
        admin.create_topics([NewTopic(name, len(found), len(found[0].replicas))])[name].result(_TIMEOUT_S)
    except KafkaException as error:
        raise SumflowError("the yardstick's topic cannot be created", why=str(error)) from error
    try:
        yield name
    finally:
        admin.delete_topics([name])[name].result(_TIMEOUT_S)


def kafka_rate(bootstrap: str, name: str, records: int) -> float:
    """Return the records a second that go through Kafka, all of them written (acks=all) and read once."""
    with closing(_consumer(bootstrap, name)) as consumer:
        began = time.perf_counter()
        _produce(bootstrap, name, records)
        left, deadline = records, began + _TIMEOUT_S
        while left > 0:
            left -= len(_valid(consumer.consume(_FETCH, 1.0)))
            if time.perf_counter() > deadline:
                raise SumflowError(f"Kafka kept back {left} of {records} records for {_TIMEOUT_S:.0f} s")
        return records / (time.perf_counter() - began)


def counted_after_s(bootstrap: str, name: str, conninfo: str, records: int, every_s: float) -> list[float]:
    """Write records one after the other, at a steady rate at most; each is read, and then a row is committed.

    Returns:
        How long after Kafka's acknowledgement of each record the commit was done, in ascending order.
    """
    consumer, producer = _consumer(bootstrap, name), _producer(bootstrap)
    waits: list[float] = []
    with closing(consumer), _table(conninfo) as connection:
        for _ in range(records):
            began = time.perf_counter()
            producer.produce(name, _VALUE)
            producer.flush(_TIMEOUT_S)
            acknowledged = time.perf_counter()
            if not _valid(consumer.consume(1, _TIMEOUT_S)):
                raise SumflowError("Kafka did not give back a record that it acknowledged")
            connection.execute(_sql.commit_yardstick.encode())
            waits.append(time.perf_counter() - acknowledged)
            time.sleep(max(0.0, began + every_s - time.perf_counter()))
    return sorted(waits)


def _produce(bootstrap: str, name: str, records: int) -> None:
    producer = _producer(bootstrap)
    for _ in range(records):
        while True:
            try:
                producer.produce(name, _VALUE)
                break
            except BufferError:
                producer.poll(0.1)
    if left := producer.flush(_TIMEOUT_S):
        raise SumflowError(f"Kafka took {left} of {records} records not within {_TIMEOUT_S:.0f} s")


def _producer(bootstrap: str) -> Producer:
    config = {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 1}
    return Producer(config, logger=QUIET)


def _consumer(bootstrap: str, name: str) -> Consumer:
    """Return a consumer at the topic's present end, outside of every group."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "sumflow-bench",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        },
        logger=QUIET,
    )
    partitions = consumer.list_topics(name, timeout=_TIMEOUT_S).topics[name].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(name, p), timeout=_TIMEOUT_S)[1] for p in partitions]
    consumer.assign([TopicPartition(name, p, end) for p, end in zip(partitions, ends, strict=True)])
    return consumer


def _valid(messages: list[Any]) -> list[Any]:
    for message in messages:
        if message.error():
            raise SumflowError("Kafka cannot be read", why=str(message.error()))
    return messages
