"""When an object counts as ready, when as rejected, and what is told meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from sumflow.cluster import readiness
from sumflow.cluster.objects import Ref
from sumflow.cluster.verdict import Around, Hopeless, Verdict, Waiting
from sumflow.steps import Ready
from tests.cluster.unit.recorded import (
    NOW,
    custom,
    deployment,
    held,
    pod,
    running_pod,
    stateful_set,
    warning,
)

READY = {"type": "Ready", "status": "True"}
DONE = {"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}


def _judge(found: dict[str, Any], **around: Any) -> Verdict:
    return readiness.judge(Ref.of(found), found, Around(now=NOW, **around))


def test_what_is_not_there_is_waited_for() -> None:
    """An object that does not exist yet is no error: `kubectl wait` fails here, the specification's step 3 with it."""
    ref = Ref("", "v1", "Pod", "sumflow-kafka", "strimzi-cluster-operator")
    assert isinstance(readiness.judge(ref, None, Around()), Waiting)


def test_a_deployment_that_rolled_out_is_ready() -> None:
    """All replicas are of the current revision, available, and no old one is left."""
    assert _judge(deployment(**DONE)) == Ready("adder 2 of 2")


@pytest.mark.parametrize(
    "change",
    [{"updatedReplicas": 1}, {"availableReplicas": 1}, {"replicas": 3}, {"observed": 1, "generation": 2}],
    ids=["not updated", "not available", "old one left", "controller is behind"],
)
def test_a_rollout_under_way_is_not_ready(change: dict[str, int]) -> None:
    """Each part of the rule is needed: without it a half-done rollout would pass."""
    assert isinstance(_judge(deployment(**(DONE | change))), Waiting)


def test_a_quota_ends_the_wait_with_the_quota_named() -> None:
    """Pods that are not admitted never appear; the Deployment's condition says why, and the remedy is the quota."""
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "message": 'pods "adder-1" is forbidden: exceeded quota: tight',
    }
    verdict = _judge(deployment(conditions=[refused]))
    assert isinstance(verdict, Hopeless)
    assert "exceeded quota: tight" in verdict.reason
    assert "kubectl get resourcequota -n sumflow" in verdict.remedy


def test_a_stateful_set_without_pods_tells_the_refusal() -> None:
    """A StatefulSet has no such condition: the warning about it decides, as long as no pod is there."""
    empty = stateful_set(replicas=0)
    events = (warning(empty, "FailedCreate", 'violates PodSecurity "restricted:latest"'),)
    assert isinstance(_judge(empty, events=events), Hopeless)
    assert isinstance(_judge(empty, events=events, pods=(running_pod(ready=False),)), Waiting)


def test_a_stateful_set_with_its_pod_is_ready() -> None:
    """Ready replicas of the current revision make it ready; those of an older one do not."""
    assert _judge(stateful_set(replicas=1, readyReplicas=1)) == Ready("adder-postgres 1 of 1")
    assert isinstance(_judge(stateful_set(replicas=1, readyReplicas=1, updateRevision="r2")), Waiting)


def test_a_waiting_workload_tells_why_its_pods_wait() -> None:
    """The reason names the workload and its pod; a hopeless pod makes the workload hopeless."""
    waiting = _judge(stateful_set(replicas=1), pods=(running_pod(ready=False),))
    assert isinstance(waiting, Waiting)
    assert waiting.reason.splitlines() == [
        "StatefulSet sumflow/adder-postgres: 0 of 1 ready",
        "pod sumflow/adder-postgres-0, container postgres: started, not ready",
    ]
    assert isinstance(_judge(stateful_set(replicas=1), pods=(held("ImagePullBackOff", "x"),)), Hopeless)


def _claim(storage_class: str | None) -> dict[str, Any]:
    meta = {"namespace": "sumflow", "name": "adder-postgres-pvc", "uid": "uid-c"}
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": meta,
        "spec": {"storageClassName": storage_class},
        "status": {},
    }


def test_a_claim_of_a_class_that_is_not_there_ends_the_wait() -> None:
    """The provisioner's complaint about a missing class is final; waiting for the first consumer is not."""
    claim = _claim("fast")
    wrong = warning(claim, "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found')
    verdict = _judge(stateful_set(replicas=1), claims=(claim,), events=(wrong,))
    assert isinstance(verdict, Hopeless)
    assert "fast" in verdict.reason
    assert "kubectl get storageclass" in verdict.remedy
    assert isinstance(_judge(stateful_set(replicas=1), claims=(claim,)), Waiting)


def test_kafka_is_ready_only_if_the_operator_saw_it_as_it_is_now() -> None:
    """A Ready that speaks of an older generation is stale."""
    assert isinstance(_judge(custom("Kafka", READY)), Ready)
    stale = _judge(custom("Kafka", READY, generation=2, observed=1))
    assert isinstance(stale, Waiting)
    assert "has not answered the latest change yet" in stale.reason


def test_a_kafka_in_the_making_is_not_said_to_be_unanswered() -> None:
    """The operators' first status has no generation: it says what they do, and that is told."""
    creating = {
        "type": "NotReady",
        "status": "True",
        "reason": "Creating",
        "message": "Kafka cluster is being deployed",
    }
    new = custom("Kafka")
    new["status"] = {"conditions": [creating]}
    verdict = _judge(new)
    assert isinstance(verdict, Waiting)
    told = "Kafka sumflow-kafka/sumflow-kafka is not ready: Creating: Kafka cluster is being deployed"
    assert verdict.reason.splitlines()[0] == told
    unanswered = _judge(custom("Kafka", observed=None))
    assert isinstance(unanswered, Waiting)
    assert "has not answered yet" in unanswered.reason
    assert isinstance(_judge(custom("Kafka", observed=None)), Waiting)


def test_a_rejected_kafka_ends_the_wait_with_the_operators_words() -> None:
    """What the operator calls invalid or unsupported does not become ready."""
    for reason in ("InvalidResourceException", "UnsupportedKafkaVersionException"):
        refused = {
            "type": "NotReady",
            "status": "True",
            "reason": reason,
            "message": "Unsupported Kafka.spec.kafka.version",
        }
        verdict = _judge(custom("Kafka", refused))
        assert isinstance(verdict, Hopeless)
        assert "Unsupported Kafka.spec.kafka.version" in verdict.reason


def test_a_kafka_in_trouble_that_passes_is_waited_for() -> None:
    """The operator tries a timeout again by itself."""
    refused = {
        "type": "NotReady",
        "status": "True",
        "reason": "TimeoutException",
        "message": "Exceeded timeout of 300000ms",
    }
    assert isinstance(_judge(custom("Kafka", refused)), Waiting)


def test_a_topic_with_more_copies_than_brokers_ends_the_wait() -> None:
    """Kafka's refusal comes through the operator with a general reason; its message decides."""
    said = "org.apache.kafka.common.errors.InvalidReplicationFactorException: Replication factor: 3 larger than 1"
    refused = {"type": "Ready", "status": "False", "reason": "KafkaError", "message": said}
    assert isinstance(_judge(custom("KafkaTopic", refused)), Hopeless)


@pytest.mark.parametrize(
    "said",
    [
        "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment.",
        "KafkaError{code=UNKNOWN_TOPIC_OR_PART,val=3}",
    ],
    ids=["busy", "just made"],
)
def test_a_topic_whose_trouble_passes_is_waited_for(said: str) -> None:
    """The operator tries again by itself: a busy broker, or one that has not heard of the new topic yet."""
    refused = {"type": "Ready", "status": "False", "reason": "KafkaError", "message": said}
    assert isinstance(_judge(custom("KafkaTopic", refused)), Waiting)


def test_warnings_of_the_operator_are_told() -> None:
    """A Ready cluster with a deprecation says so."""
    verdict = _judge(
        custom("Kafka", READY, {"type": "Warning", "status": "True", "reason": "Old", "message": "use pools"})
    )
    assert verdict == Ready("sumflow-kafka Ready (warning Old: use pools)")


def _replica_set(hash_: str, revision: int) -> dict[str, Any]:
    owner = [{"uid": "uid-adder", "controller": True}]
    notes = {"deployment.kubernetes.io/revision": str(revision)}
    return {"metadata": {"ownerReferences": owner, "annotations": notes, "labels": {"pod-template-hash": hash_}}}


def test_pods_of_an_older_revision_are_not_judged() -> None:
    """After a repair, the broken pods of before must not end the wait."""
    old, new = pod("a"), pod("b")
    old["metadata"]["labels"], new["metadata"]["labels"] = {"pod-template-hash": "h1"}, {"pod-template-hash": "h2"}
    sets = (_replica_set("h1", 9), _replica_set("h2", 10))
    assert readiness.current_pods(deployment(), (old, new), sets) == (new,)


def test_a_broken_pod_that_blocks_a_repaired_stateful_set_is_found() -> None:
    """Its controller never replaces a pod that was never ready; a ready one is left to it."""
    broken, fine = held("ImagePullBackOff", "x"), running_pod(ready=True)
    for each in (broken, fine):
        each["metadata"]["labels"] = {"controller-revision-hash": "r1"}
    repaired = stateful_set(updateRevision="r2")
    assert readiness.stuck_pods(repaired, (broken, fine)) == (broken,)
    assert readiness.stuck_pods(stateful_set(), (broken, fine)) == ()


def test_an_object_on_its_way_out_is_waited_for() -> None:
    """Nothing is applied over an object that is being deleted; who holds it is told."""
    leaving = custom("KafkaTopic", READY)
    leaving["metadata"] |= {"deletionTimestamp": "2026-11-24T16:00:00Z", "finalizers": ["strimzi.io/topic-operator"]}
    verdict = _judge(leaving)
    assert isinstance(verdict, Waiting)
    assert "strimzi.io/topic-operator" in verdict.reason


def test_a_namespace_that_does_not_go_says_what_is_left_in_it() -> None:
    """A namespace has no finalizers of its own to show: its controller says what remains, and that is told."""
    left = "Some content in the namespace has finalizers remaining: strimzi.io/topic-operator in 1 resource instances"
    conditions = [
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources discovered"},
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": left},
    ]
    leaving = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "sumflow-kafka", "deletionTimestamp": "2026-11-24T16:00:00Z"},
        "status": {"phase": "Terminating", "conditions": conditions},
    }
    assert _judge(leaving) == Waiting(f"Namespace sumflow-kafka is being deleted, held by {left}")


def test_what_a_quota_refuses_the_operator_is_mended_by_the_quota() -> None:
    """The manifest is right: the remedy is the quota's, and not a correction of the Kafka resource."""
    said = 'persistentvolumeclaims "data-0-sumflow-kafka-dual-0" is forbidden: exceeded quota: tight'
    refused = {"type": "NotReady", "status": "True", "reason": "KubernetesClientException", "message": said}
    verdict = _judge(custom("Kafka", refused))
    assert isinstance(verdict, Hopeless)
    assert "raise the quota (`kubectl get resourcequota -n sumflow-kafka`)" in verdict.remedy
