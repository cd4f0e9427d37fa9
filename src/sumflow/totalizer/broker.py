"""How the totalizer speaks to Kafka: the consumer's configuration, and what there is to know about the topic."""

from __future__ import annotations

import logging
from typing import Any, Final
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from sumflow.settings import TotalizerSettings
from sumflow.telemetry.logs import Seldom
from sumflow.totalizer.positions import TopicFacts

SESSION_TIMEOUT_MS: Final = 10_000
"""The partitions of a killed totalizer wait for this long, or until it is back under its lasting name."""
REQUEST_TIMEOUT_S: Final = 3.0
RESPONSE_TIMEOUT_S: Final = 4.0
"""Longer than the client's own limit, which answers first and says why."""

_NO_TOPIC: Final = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001, the client's public name for its own error
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
    }
)

_logger: Final = logging.getLogger("sumflow.totalizer.kafka")
_logger.addFilter(Seldom())


def connection_config(settings: TotalizerSettings) -> dict[str, Any]:
    """Return what every client of the brokers has in common."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"totalizer-{settings.instance}",
        "reconnect.backoff.max.ms": 1000,
        "socket.keepalive.enable": True,
    }


def make_consumer(settings: TotalizerSettings) -> Consumer:
    """Return a consumer of the group that never decides by itself from where to read."""
    config = connection_config(settings) | {
        "group.id": settings.kafka_group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        # What memory, disk or network damaged is an error to read again, not an event with other numbers.
        "check.crcs": True,
        # Eager: a rebalance takes all partitions and gives anew, so there is one way to start reading.
        "partition.assignment.strategy": "range",
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": 2_000,
        "topic.metadata.refresh.interval.ms": 10_000,
        # Read ahead of the transactions, in bounded memory; the default back-off of 1 s would stall a full queue.
        "queued.min.messages": 50_000,
        "queued.max.messages.kbytes": 32_768,
        "fetch.queue.backoff.ms": 10,
        "fetch.error.backoff.ms": 100,
    }
    if settings.kafka_group_instance:
        config["group.instance.id"] = settings.kafka_group_instance
    return Consumer(config, logger=_logger)


def make_admin(settings: TotalizerSettings) -> AdminClient:
    """Return a client for questions about the topic."""
    return AdminClient(connection_config(settings), logger=_logger)


def topic_id(admin: AdminClient, topic: str) -> tuple[UUID, list[int]] | None:
    """Return the topic's identity and its partitions, None if it does not exist; raise KafkaException if unknown."""
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=REQUEST_TIMEOUT_S)[topic]
    try:
        described = asked.result(RESPONSE_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() in _NO_TOPIC:
            return None
        raise
    identity = described.topic_id
    high, low = identity.get_most_significant_bits(), identity.get_least_significant_bits()
    mask = (1 << 64) - 1
    return UUID(int=(high & mask) << 64 | (low & mask)), sorted(info.id for info in described.partitions)


def topic_facts(admin: AdminClient, topic: str) -> TopicFacts | None:
    """Return the topic as it is now, None if it does not exist.

    Raises:
        KafkaException, TimeoutError: the brokers do not answer.
    """
    found = topic_id(admin, topic)
    if found is None:
        return None
    identity, partitions = found
    first = _offsets(admin, topic, partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    return TopicFacts(identity, first, _offsets(admin, topic, partitions, OffsetSpec.latest()))  # type: ignore[no-untyped-call]


def _offsets(admin: AdminClient, topic: str, partitions: list[int], spec: OffsetSpec) -> dict[int, int]:
    asked = {TopicPartition(topic, partition): spec for partition in partitions}
    answers = admin.list_offsets(asked, request_timeout=REQUEST_TIMEOUT_S)
    found = {place.partition: answer.result(RESPONSE_TIMEOUT_S).offset for place, answer in answers.items()}
    if unknown := sorted(partition for partition, offset in found.items() if offset < 0):
        # "No leader answered" is an offset too, for the client (-1001): that says nothing about lost records.
        raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, f"no leader answers for {topic}/{unknown}"))
    return found
