"""KafkaTopic objects become topics on the brokers, and go from them when they are deleted."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    TopicDescription,
)

from testing.strimzi_standin import status
from testing.strimzi_standin.kube import Kube
from testing.strimzi_standin.names import Object

log = logging.getLogger("standin")
FINALIZER = "strimzi.io/topic-operator"
TIMEOUT_S = 15.0


class UnsupportedError(Exception):
    """A change that Kafka has no way to make."""


class TopicOperator:
    """Realises the KafkaTopics that carry the label of one cluster."""

    def __init__(self, kube: Kube, labels: str, bootstrap: str) -> None:
        self._kube = kube
        self._labels = labels
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "socket.timeout.ms": 10_000})

    def reconcile(self) -> None:
        """Take every labelled KafkaTopic to its topic; raise httpx.HTTPError when the API server is away."""
        for topic in self._kube.list("KafkaTopic", self._labels):
            if "deletionTimestamp" in topic["metadata"]:
                self._remove(topic)
            elif _is_managed(topic):
                self._realise(topic)

    def _remove(self, topic: Object) -> None:
        finalizers = topic["metadata"].get("finalizers", [])
        if FINALIZER not in finalizers:
            return
        if _is_managed(topic) and self._describe(_name(topic)) is not None:
            self._admin.delete_topics([_name(topic)], operation_timeout=TIMEOUT_S)[_name(topic)].result(TIMEOUT_S)
        left = [f for f in finalizers if f != FINALIZER]
        self._kube.merge("KafkaTopic", topic["metadata"]["name"], {"metadata": {"finalizers": left}})

    def _realise(self, topic: Object) -> None:
        finalizers = topic["metadata"].get("finalizers", [])
        if FINALIZER not in finalizers:
            patch = {"metadata": {"finalizers": [*finalizers, FINALIZER]}}
            self._kube.merge("KafkaTopic", topic["metadata"]["name"], patch)
        shown: Object = {"observedGeneration": topic["metadata"]["generation"], "topicName": _name(topic)}
        try:
            shown |= {"topicId": _id(self._on_brokers(topic)), "conditions": [status.condition("Ready")]}
        except UnsupportedError as refusal:
            shown["conditions"] = [status.condition("Ready", False, "NotSupported", str(refusal))]
        except KafkaException as failure:
            shown["conditions"] = [status.condition("Ready", False, "KafkaError", str(failure.args[0]))]
        if status.differs(topic.get("status"), shown):
            self._kube.merge("KafkaTopic", topic["metadata"]["name"], {"status": shown}, "status")
            log.info("KafkaTopic %s: %s", topic["metadata"]["name"], shown["conditions"])

    def _on_brokers(self, topic: Object) -> TopicDescription:
        """Make the topic what is declared; raise UnsupportedError or KafkaException."""
        name, spec = _name(topic), topic["spec"]
        config = {key: _text(value) for key, value in spec.get("config", {}).items()}
        found = self._describe(name)
        if found is None:
            wanted = NewTopic(name, spec.get("partitions", -1), spec.get("replicas", -1), config=config)
            self._admin.create_topics([wanted], operation_timeout=TIMEOUT_S)[name].result(TIMEOUT_S)
            return self._described(name)
        self._change(name, spec, found)
        if config:
            self._configure(name, config)
        return self._described(name)

    def _change(self, name: str, spec: Object, found: TopicDescription) -> None:
        partitions = spec.get("partitions", len(found.partitions))
        if partitions < len(found.partitions):
            raise UnsupportedError("Decreasing partitions not supported")
        replicas = spec.get("replicas", len(found.partitions[0].replicas))
        unequal = [p.id for p in found.partitions if len(p.replicas) != replicas]
        if unequal:
            raise UnsupportedError(f"Replication factor change not supported, but required for partitions {unequal}")
        if partitions > len(found.partitions):
            grown = NewPartitions(name, partitions)
            self._admin.create_partitions([grown], operation_timeout=TIMEOUT_S)[name].result(TIMEOUT_S)

    def _configure(self, name: str, config: dict[str, str]) -> None:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        for done in self._admin.incremental_alter_configs([resource], request_timeout=TIMEOUT_S).values():
            done.result(TIMEOUT_S)

    def _described(self, name: str) -> TopicDescription:
        found = self._describe(name)
        if found is None:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return found

    def _describe(self, name: str) -> TopicDescription | None:
        asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_S)
        try:
            found: TopicDescription = asked[name].result(TIMEOUT_S)
        except KafkaException as failure:
            if failure.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
        return found


def _name(topic: Object) -> str:
    return str(topic["spec"].get("topicName", topic["metadata"]["name"]))


def _is_managed(topic: Object) -> bool:
    """An unmanaged topic is let go of without touching it, as the real operator does."""
    return bool(topic["metadata"].get("annotations", {}).get("strimzi.io/managed") != "false")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _id(topic: TopicDescription) -> str:
    # as Kafka's own tools write it: base64 for URLs, without padding
    return str(topic.topic_id).replace("+", "-").replace("/", "_").rstrip("=")
