"""Reads a topic from one end to the other, outside of every consumer group, in batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from sumflow.audit.facts import Extent
from sumflow.errors import SEE_STATUS, SumflowError
from sumflow.telemetry.logs import QUIET
from sumflow.totalizer.broker import topic_id
from sumflow.totalizer.records import Record

BATCH_RECORDS: Final = 5_000
SILENCE_LIMIT_S: Final = 30.0
_TIMEOUT_S: Final = 10.0
_FILL_S: Final = 0.1
"""A batch is waited for so long to be full."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A topic that is being read.

    Args:
        within: what of each partition a totalizer can read: more waits for a transaction that a producer has open.
        batches: the records within it.
    """

    within: Mapping[int, Extent]
    batches: Iterator[Sequence[Record]]


Records = AbstractContextManager[Reading]


def extents(bootstrap: str, topic: str) -> dict[int, Extent]:
    """Return what a topic's partitions hold now; raise SumflowError if the brokers do not say."""
    consumer = _consumer(bootstrap, "read_uncommitted")
    try:
        partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        return _extents(consumer, topic, partitions)
    except KafkaException as error:
        raise _unreadable(topic, str(error)) from error
    finally:
        consumer.close()


def _extents(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, Extent]:
    found = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=_TIMEOUT_S) for p in partitions}
    return {partition: Extent(*edges) for partition, edges in sorted(found.items()) if edges}


def identity(bootstrap: str, topic: str) -> UUID:
    """Return a topic's id, which another topic of its name does not have; raise SumflowError if there is none."""
    try:
        found = topic_id(AdminClient({"bootstrap.servers": bootstrap}, logger=QUIET), topic)
    except (KafkaException, TimeoutError) as error:
        raise _unreadable(topic, str(error) or "the brokers do not answer") from error
    if found is None:
        raise _unreadable(topic, "it does not exist")
    return found[0]


@contextmanager
def read(bootstrap: str, topic: str, held: Mapping[int, Extent]) -> Iterator[Reading]:
    """Read all records between the edges of each partition; raise SumflowError if the brokers fall silent."""
    consumer = _consumer(bootstrap, "read_committed")
    try:
        ends = {partition: extent.end for partition, extent in _extents(consumer, topic, held).items()}
        within = {p: Extent(each.first, min(each.end, ends.get(p, each.end))) for p, each in held.items()}
        consumer.assign([TopicPartition(topic, p, each.first) for p, each in within.items() if each.first < each.end])
        yield Reading(within, _batches(consumer, topic, within))
    except KafkaException as error:
        raise _unreadable(topic, str(error)) from error
    finally:
        consumer.close()


def _batches(consumer: Consumer, topic: str, held: Mapping[int, Extent]) -> Iterator[Sequence[Record]]:
    unfinished = {p for p, extent in held.items() if extent.first < extent.end}
    heard = time.monotonic()
    while unfinished:
        batch: list[Message] = []
        for message in consumer.consume(BATCH_RECORDS, timeout=_FILL_S):
            partition, error = _partition(message), message.error()
            if error and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001, the library has no public name
                raise _unreadable(topic, str(error))
            if error or _offset(message) >= held[partition].end:
                unfinished.discard(partition)
                consumer.pause([TopicPartition(topic, partition)])
            else:
                batch.append(message)
        if batch:
            heard = time.monotonic()
            yield cast("list[Record]", batch)  # of these, each has a partition and an offset
        if time.monotonic() - heard > SILENCE_LIMIT_S:
            raise _unreadable(topic, f"no record for {SILENCE_LIMIT_S:.0f} s")


def _offset(message: Message) -> int:
    offset = message.offset()
    return -1 if offset is None else offset


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition


def _consumer(bootstrap: str, isolation: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "sumflow-audit",
            "client.id": "sumflow-audit",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": 16_384,
        },
        logger=QUIET,
    )


def _unreadable(topic: str, why: str) -> SumflowError:
    return SumflowError(f"the topic {topic} cannot be audited", why=why, remedy=SEE_STATUS)
