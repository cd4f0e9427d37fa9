"""Looks at a Kafka cluster through its own client: metadata, topics, and a probe there and back."""

from __future__ import annotations

import socket
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from sumflow.sums.event import PROBE_HEADER
from sumflow.telemetry.logs import QUIET
from sumflow.verify.check import CheckFailedError
from sumflow.verify.target import Broker, Cluster, Echo, Partition, TopicFacts

_TIMEOUT_S: Final = 8.0
_CONNECT_TIMEOUT_S: Final = 2.0


def cluster(bootstrap: str) -> Cluster:
    """Return the cluster's brokers, each tried with a connection of its own."""
    admin = _admin(bootstrap)  # kept until the answer is here: its calls end with it
    try:
        answer = admin.describe_cluster(request_timeout=_TIMEOUT_S).result()
    except KafkaException as error:
        raise _unreachable(bootstrap, error) from error
    brokers = [Broker(node.id, f"{node.host}:{node.port}", reach(node.host, node.port)) for node in answer.nodes]
    return Cluster(sorted(brokers, key=lambda broker: broker.id), answer.controller.id if answer.controller else -1)


def topic(bootstrap: str, name: str) -> TopicFacts:
    """Return a topic's partitions and settings; raise CheckFailedError if it does not exist."""
    admin = _admin(bootstrap)
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        described = admin.describe_topics(TopicCollection([name]), request_timeout=_TIMEOUT_S)[name].result()
        settings = admin.describe_configs([resource], request_timeout=_TIMEOUT_S)[resource].result()
    except KafkaException as error:
        raise CheckFailedError(f"the topic {name} cannot be described", why=_reason(error)) from error
    partitions = {
        part.id: Partition(
            part.leader.id if part.leader else -1, [node.id for node in part.replicas], [node.id for node in part.isr]
        )
        for part in described.partitions
    }
    return TopicFacts(partitions, {key: str(entry.value) for key, entry in settings.items()})


def echo(bootstrap: str, topic_name: str, value: bytes) -> Echo:
    """Produce a probe and read it back from its own offset, outside every consumer group."""
    stored = _produce(bootstrap, topic_name, value)
    consumer = Consumer(
        {
            **_client(bootstrap),
            "group.id": "sumflow-verify",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
        },
        logger=QUIET,
    )
    try:
        consumer.assign([stored])
        message = consumer.poll(_TIMEOUT_S)
        if message is None or message.error():
            why = "nothing came" if message is None else str(message.error())
            raise CheckFailedError(f"the probe cannot be read back from {stored.topic}/{stored.partition}", why=why)
        return Echo(stored.partition, stored.offset, message.value() or b"")
    finally:
        consumer.close()


def _produce(bootstrap: str, topic_name: str, value: bytes) -> TopicPartition:
    reports: list[tuple[Any, Any]] = []
    timeout_ms = int(_TIMEOUT_S * 1000)
    producer = Producer({**_client(bootstrap), "acks": "all", "message.timeout.ms": timeout_ms}, logger=QUIET)
    producer.produce(
        topic_name, value, headers={PROBE_HEADER: b"1"}, on_delivery=lambda error, sent: reports.append((error, sent))
    )
    producer.flush(_TIMEOUT_S + 1)
    error, sent = reports[0] if reports else ("no broker took it in time", None)
    if error or sent is None:
        raise CheckFailedError(f"the probe cannot be produced to {topic_name}", why=str(error))
    return TopicPartition(topic_name, sent.partition(), sent.offset())


def reach(host: str, port: int) -> str | None:
    """Try to connect; return why it is impossible, or None."""
    try:
        socket.create_connection((host, port), _CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient(_client(bootstrap), logger=QUIET)


def _client(bootstrap: str) -> dict[str, str | int | float | bool]:
    return {"bootstrap.servers": bootstrap, "socket.timeout.ms": int(_TIMEOUT_S * 1000), "client.id": "sumflow-verify"}


def _unreachable(bootstrap: str, error: KafkaException) -> CheckFailedError:
    return CheckFailedError(f"no broker of {bootstrap} answers", why=_reason(error))


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str()) if error.args and hasattr(error.args[0], "str") else str(error)
