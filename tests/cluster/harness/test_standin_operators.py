"""The stand-in's operators take their steps in the real order, on an API in memory and a real Kafka."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import cast

import pytest
from confluent_kafka.admin import AdminClient

from sumflow.steps import NotYet, Readiness, Ready
from testing.strimzi_standin.cluster_operator import ClusterOperator, Release
from testing.strimzi_standin.install import RELEASES
from testing.strimzi_standin.kube import Kube
from testing.strimzi_standin.names import Object
from testing.strimzi_standin.topic_operator import FINALIZER, TopicOperator
from tests.cluster.harness.fakes import FakeKube, custom_resources
from tests.servers import await_ready

BROKERS = {f"sumflow-kafka-kafka-{n}" for n in range(3)}
ZOOKEEPERS = {f"sumflow-kafka-zookeeper-{n}" for n in range(3)}
ENTITY = "sumflow-kafka-entity-operator"


def _operator(kube: FakeKube, release: str) -> ClusterOperator:
    images = {RELEASES[release]: "kafka-image"}
    return ClusterOperator(cast("Kube", kube), Release(release, "operator-image", images))


def _condition(kube: FakeKube) -> Object:
    status: Object = kube.objects["Kafka", "sumflow-kafka"].get("status", {})
    found: Object = status["conditions"][0]
    return found


def _bring_up(kube: FakeKube, release: str) -> ClusterOperator:
    operator = _operator(kube, release)
    operator.reconcile()
    for ready in (kube.names("Pod"), BROKERS):
        kube.make_ready("Pod", *(ready & kube.names("Pod")))
        operator.reconcile()
    kube.make_ready("Deployment", ENTITY)
    operator.reconcile()
    return operator


def test_brokers_wait_for_zookeeper_and_ready_for_all() -> None:
    """ZooKeeper's pods come first, the brokers' when all are ready, then the entity operator; Ready is said last."""
    kube = FakeKube(*custom_resources("spec", "Kafka"))
    operator = _operator(kube, "0.44.0")
    operator.reconcile()
    assert kube.names("Pod") == ZOOKEEPERS
    assert (_condition(kube)["type"], _condition(kube)["reason"]) == ("NotReady", "Creating")
    kube.make_ready("Pod", *sorted(ZOOKEEPERS)[:2])
    operator.reconcile()
    assert kube.names("Pod") == ZOOKEEPERS
    kube.make_ready("Pod", *ZOOKEEPERS)
    operator.reconcile()
    assert kube.names("Pod") == ZOOKEEPERS | BROKERS
    assert ENTITY not in kube.names("Deployment")
    kube.make_ready("Pod", *BROKERS)
    operator.reconcile()
    assert ENTITY in kube.names("Deployment")
    assert _condition(kube)["type"] == "NotReady"
    kube.make_ready("Deployment", ENTITY)
    operator.reconcile()
    assert _condition(kube)["type"] == "Ready"
    assert kube.objects["Kafka", "sumflow-kafka"]["status"]["observedGeneration"] == 1


def test_a_second_pass_over_a_ready_cluster_changes_nothing() -> None:
    """When all is as declared, a pass writes nothing."""
    kube = FakeKube(*custom_resources("spec", "Kafka"))
    operator = _bring_up(kube, "0.44.0")
    kube.calls.clear()
    operator.reconcile()
    assert kube.calls == []


def test_a_lost_pod_comes_back_and_certificates_stay() -> None:
    """A deleted pod is made again; Secrets that exist are not made anew by another process."""
    kube = FakeKube(*custom_resources("spec", "Kafka"))
    _bring_up(kube, "0.44.0")
    secret = kube.objects["Secret", "sumflow-kafka-cluster-ca"]
    del kube.objects["Pod", "sumflow-kafka-kafka-1"]
    _operator(kube, "0.44.0").reconcile()
    assert kube.names("Pod") == ZOOKEEPERS | BROKERS
    assert kube.objects["Secret", "sumflow-kafka-cluster-ca"] == secret


def test_a_changed_configuration_replaces_one_pod_at_a_time() -> None:
    """While one broker is away no second one is taken; the status stays the old generation's until all are back."""
    kube = FakeKube(*custom_resources("spec", "Kafka"))
    operator = _bring_up(kube, "0.44.0")
    kafka = kube.objects["Kafka", "sumflow-kafka"]
    kafka["spec"]["kafka"]["config"]["min.insync.replicas"] = 1
    kafka["metadata"]["generation"] = 2
    for _ in range(3):
        operator.reconcile()
        assert len(kube.names("Pod") & BROKERS) == 2
        operator.reconcile()
        assert len(kube.names("Pod") & BROKERS) == 3
        assert kube.objects["Kafka", "sumflow-kafka"]["status"]["observedGeneration"] == 1
        kube.make_ready("Pod", *BROKERS)
    operator.reconcile()
    assert kube.objects["Kafka", "sumflow-kafka"]["status"]["observedGeneration"] == 2
    deleted = [name for verb, kind, name in kube.calls if (verb, kind) == ("delete", "Pod")]
    assert sorted(deleted) == sorted(BROKERS)


def test_a_paused_kafka_is_left_alone_and_says_so() -> None:
    """The whole status is written anew, as the real operator does: only the id that it was read with is kept."""
    kube = FakeKube(*custom_resources("kraft", "Kafka", "KafkaNodePool"))
    kafka = kube.objects["Kafka", "sumflow-kafka"]
    kafka["metadata"]["annotations"] = {"strimzi.io/pause-reconciliation": "true"}
    operator = _operator(kube, "1.2.0")
    operator.reconcile()
    assert _condition(kube)["type"] == "ReconciliationPaused"
    assert kube.names("Pod") == set()
    kafka["status"]["clusterId"] = "of-the-volumes"
    operator.reconcile()
    assert kafka["status"]["clusterId"] == "of-the-volumes"
    del kafka["metadata"]["annotations"]
    _bring_up(kube, "1.2.0")
    assert kube.objects["Kafka", "sumflow-kafka"]["status"]["clusterId"] == "of-the-volumes"


def test_a_refused_kafka_says_why() -> None:
    """A version that the release does not know ends as NotReady with its reason, and makes nothing."""
    kube = FakeKube(*custom_resources("spec", "Kafka"))
    kube.objects["Kafka", "sumflow-kafka"]["spec"]["kafka"]["version"] = "9.9.9"
    _operator(kube, "0.44.0").reconcile()
    assert _condition(kube)["reason"] == "UnsupportedKafkaVersionException"
    assert kube.objects["Kafka", "sumflow-kafka"]["status"]["observedGeneration"] == 1
    assert kube.names("Pod") == set()


@pytest.fixture
def topic(kafka_bootstrap: str) -> Iterator[Object]:
    """A KafkaTopic of one partition and one replica, whose topic is removed afterwards."""
    name = f"standin-{uuid.uuid4().hex[:8]}"
    spec = {"partitions": 1, "replicas": 1, "config": {"retention.ms": 604800000}}
    yield {"kind": "KafkaTopic", "metadata": {"name": name, "labels": {"strimzi.io/cluster": "c"}}, "spec": spec}
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    if name in admin.list_topics(timeout=10).topics:
        admin.delete_topics([name])[name].result(10)


def _partitions(bootstrap: str, name: str) -> int:
    found = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics.get(name)
    return len(found.partitions) if found else 0


def _has_partitions(bootstrap: str, name: str, wanted: int) -> Readiness:
    """Look once: a broker's own view of a change comes a moment after the controller has confirmed it."""
    found = _partitions(bootstrap, name)
    return Ready() if found == wanted else NotYet(f"{name} has {found} partitions")


@pytest.mark.integration
def test_topics_are_realised_grown_refused_and_removed(kafka_bootstrap: str, topic: Object) -> None:
    """A KafkaTopic becomes a real topic, grows, cannot shrink, and takes the topic along when it is deleted."""
    kube, name = FakeKube(topic), topic["metadata"]["name"]
    operator = TopicOperator(cast("Kube", kube), "strimzi.io/cluster=c", kafka_bootstrap)
    operator.reconcile()
    live = kube.objects["KafkaTopic", name]
    assert live["status"]["conditions"][0] | {"type": "Ready", "status": "True"} == live["status"]["conditions"][0]
    assert len(live["status"]["topicId"]) == 22
    assert live["metadata"]["finalizers"] == [FINALIZER]
    live["spec"]["partitions"] = 3
    operator.reconcile()
    await_ready("growth", lambda: _has_partitions(kafka_bootstrap, name, 3))
    live["spec"]["partitions"] = 2
    operator.reconcile()
    assert kube.objects["KafkaTopic", name]["status"]["conditions"][0]["reason"] == "NotSupported"
    live["metadata"]["deletionTimestamp"] = "2026-11-24T16:12:58Z"
    operator.reconcile()
    await_ready("removal", lambda: _has_partitions(kafka_bootstrap, name, 0))
    assert live["metadata"]["finalizers"] == []


@pytest.mark.integration
def test_a_topic_that_the_brokers_refuse_says_so(kafka_bootstrap: str, topic: Object) -> None:
    """More replicas than brokers end as not Ready, with Kafka's own words."""
    topic["spec"]["replicas"] = 99
    kube = FakeKube(topic)
    TopicOperator(cast("Kube", kube), "strimzi.io/cluster=c", kafka_bootstrap).reconcile()
    condition = kube.objects["KafkaTopic", topic["metadata"]["name"]]["status"]["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "KafkaError")
    assert "replication factor" in condition["message"].lower()


@pytest.mark.integration
def test_a_topic_without_the_label_is_ignored(kafka_bootstrap: str, topic: Object) -> None:
    """As with the real operator, a KafkaTopic of no cluster gets no status and no topic, for ever."""
    topic["metadata"]["labels"] = {}
    kube = FakeKube(topic)
    TopicOperator(cast("Kube", kube), "strimzi.io/cluster=c", kafka_bootstrap).reconcile()
    assert "status" not in kube.objects["KafkaTopic", topic["metadata"]["name"]]
    assert _partitions(kafka_bootstrap, topic["metadata"]["name"]) == 0
