"""Topics as declared, on a running Kafka: created, or brought to the declaration where Kafka allows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tenacity
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from sumflow import steps
from sumflow.errors import SumflowError
from sumflow.topology.model import Topic

_TIMEOUT_S = 30.0
_ATTEMPTS = 6


def client(bootstrap: str) -> AdminClient:
    """Return an administrator of the cluster; it connects when it is first used, and says nothing on its own."""
    quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200}
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 10_000, **quick})


def cluster_ready(admin: AdminClient, brokers: int) -> steps.Readiness:
    """Look whether all brokers have joined the cluster and a controller is known."""
    try:
        metadata = admin.list_topics(timeout=2)
    except KafkaException as error:
        return steps.NotYet(f"the brokers do not answer yet: {error.args[0].str()}")
    if len(metadata.brokers) < brokers or metadata.controller_id < 0:
        return steps.NotYet(f"{len(metadata.brokers)} of {brokers} brokers have joined")
    return steps.Ready(f"{len(metadata.brokers)} of {brokers} brokers, controller {metadata.controller_id}")


def apply(admin: AdminClient, declared: Iterable[Topic]) -> None:
    """Create what is missing and change what differs; raise SumflowError for what Kafka cannot change.

    A cluster that has just come up may still move its controller: what is refused is looked at afresh and tried again.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(KafkaException),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    try:
        retrying(_apply_once, admin, list(declared))
    except KafkaException as error:
        raise SumflowError(
            f"Kafka refused {_ATTEMPTS} times: {error.args[0].str()}",
            remedy="run `sumflow logs kafka-0` to see what it says",
        ) from error


def _apply_once(admin: AdminClient, wanted: list[Topic]) -> None:
    existing = admin.list_topics(timeout=_TIMEOUT_S).topics
    missing = [topic for topic in wanted if topic.name not in existing]
    if missing:
        new = [NewTopic(t.name, t.partitions, t.replicas, config=dict(t.config)) for t in missing]
        _finish(admin.create_topics(new, operation_timeout=_TIMEOUT_S))
    for topic in wanted:
        if topic.name in existing:
            _bring_to(admin, topic, existing[topic.name].partitions)


def topics_ready(admin: AdminClient, declared: Iterable[Topic]) -> steps.Readiness:
    """Look whether every partition has a leader and all its replicas in sync."""
    wanted = list(declared)
    try:
        metadata = admin.list_topics(timeout=5).topics
    except KafkaException as error:
        return steps.NotYet(f"the brokers do not answer: {error.args[0].str()}")
    for topic in wanted:
        partitions = metadata[topic.name].partitions if topic.name in metadata else {}
        complete = [p for p in partitions.values() if p.leader >= 0 and len(p.isrs) == topic.replicas]
        if len(complete) < topic.partitions:
            return steps.NotYet(f"{topic.name}: {len(complete)} of {topic.partitions} partitions are in sync")
    return steps.Ready(", ".join(f"{t.name} ({t.partitions} x {t.replicas})" for t in wanted))


def _bring_to(admin: AdminClient, topic: Topic, partitions: Mapping[int, Any]) -> None:
    replicas = len(partitions[0].replicas)
    if len(partitions) > topic.partitions or replicas != topic.replicas:
        raise SumflowError(
            f"the topic {topic.name} has {len(partitions)} partitions of {replicas} replicas, "
            f"declared are {topic.partitions} of {topic.replicas}",
            why="Kafka does not shrink a topic, and moving replicas is not done behind your back",
            remedy=f"change {topic.source.file}:{topic.source.line}, or begin anew with `sumflow destroy`",
        )
    if len(partitions) < topic.partitions:
        _finish(admin.create_partitions([NewPartitions(topic.name, topic.partitions)]))
    _configure(admin, topic)


def _configure(admin: AdminClient, topic: Topic) -> None:
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    current = _finish(admin.describe_configs([resource]))[resource]
    changes = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for key, value in sorted(topic.config.items())
        if key not in current or current[key].value != value
    ]
    if changes:
        change = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=changes)
        _finish(admin.incremental_alter_configs([change]))


def _finish(futures: Mapping[Any, Any]) -> dict[Any, Any]:
    """Wait for Kafka's answers; raise KafkaException with what it says against one."""
    return {key: future.result(_TIMEOUT_S) for key, future in futures.items()}
