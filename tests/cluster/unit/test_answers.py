"""What is made of the answers of API servers, brokers and pods; and in what order things are removed."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from uuid import UUID

import pytest

from sumflow.audit.facts import Extent
from sumflow.cluster import failures, inside, inventory, metadata, removal, streams
from sumflow.cluster.conflicts import ConflictError
from sumflow.cluster.objects import KINDS, Ref
from sumflow.cluster.target import parse_topic, parse_topic_id
from sumflow.errors import SumflowError
from sumflow.settings import Address

SECRET = Ref("", "v1", "Secret", "sumflow", "adder-postgres-secret")


def _refused(code: int, message: str, **details: object) -> SumflowError:
    body = json.dumps({"kind": "Status", "message": message, "details": details}).encode()
    return failures.refused(code, body, f"apply {SECRET}", SECRET)


def test_a_missing_permission_is_told_exactly() -> None:
    """Who, which verb, which resource with its group, and where."""
    said = (
        'statefulsets.apps "adder-postgres" is forbidden: User "jane" cannot patch resource "statefulsets" '
        'in API group "apps" in the namespace "sumflow"'
    )
    assert _refused(403, said).what == "jane may not patch statefulsets.apps in the namespace sumflow"


@pytest.mark.parametrize(
    ("said", "what", "remedy"),
    [
        ("exceeded quota: tight, requested: secrets=1", "a quota does not allow", "kubectl describe resourcequota"),
        ("because it is being terminated", "its namespace is being deleted", "wait until it is gone"),
        ('admission webhook "x" denied the request: no', "not allowed to apply", "admission rule"),
    ],
)
def test_403_is_not_always_a_missing_permission(said: str, what: str, remedy: str) -> None:
    """A quota, a terminating namespace and a webhook also answer 403, and each has another remedy."""
    error = _refused(403, said)
    assert what in error.what
    assert remedy in error.remedy


def test_an_unknown_user_is_told_to_log_in() -> None:
    """401 is about who asks, not about what is asked."""
    assert "log in" in _refused(401, "Unauthorized").remedy


def test_who_asks_as_nobody_is_told_to_log_in() -> None:
    """Without credentials the server says what nobody may do; the roles are not what is missing."""
    said = (
        'configmaps "x" is forbidden: User "system:anonymous" cannot get resource "configmaps" in API group "" in the'
    )
    error = _refused(403, f'{said} namespace "sumflow-kafka"')
    assert "log in" in error.remedy
    assert "asked as nobody" in error.why


def test_an_invalid_object_is_told_field_by_field() -> None:
    """422 names each field and what is wrong with it."""
    causes = [{"field": "spec.replicas", "message": "Invalid value: -1: must be greater than or equal to 0"}]
    error = _refused(422, "invalid", causes=causes)
    assert error.why == "spec.replicas: Invalid value: -1: must be greater than or equal to 0"


def test_a_webhook_that_is_away_is_named() -> None:
    """500 of the API server means another program here; repeating alone would not mend it."""
    said = 'Internal error occurred: failed calling webhook "validate.kyverno.svc": connection refused'
    assert "the admission webhook validate.kyverno.svc does not answer" in _refused(500, said).remedy


def test_another_clusters_certificate_is_no_network_problem() -> None:
    """A kubeconfig of a cluster that was made anew is told as such, and not as a server that is away."""
    error = OSError(
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate"
    )
    told = failures.unreachable("https://10.0.0.1:6443", error)
    assert "is not the one that the kubeconfig describes" in told.what
    assert "get the kubeconfig anew" in told.remedy


def test_a_conflict_is_an_error_of_its_own() -> None:
    """409 with field managers in it is a conflict; a 409 without is a refusal like others."""
    cause = {"reason": "FieldManagerConflict", "field": ".data", "message": 'conflict with "vault" using v1'}
    assert isinstance(_refused(409, "conflict", causes=[cause]), ConflictError)
    assert not isinstance(_refused(409, "the object has been modified"), ConflictError)


def test_a_server_that_does_not_speak_json_is_understood() -> None:
    """A proxy's page in between does not end in a traceback."""
    assert "502" in failures.refused(502, b"<html>Bad gateway</html>", "list pods", None).what


def test_the_bottom_of_an_error_is_told() -> None:
    """Of `pool is full of retries of: connection refused` the last part is what helps."""
    error = RuntimeError("Max retries exceeded")
    error.__cause__ = OSError("Connection refused")
    assert failures.unreachable("https://10.0.0.1:6443", error).why == "Connection refused"


def test_brokers_are_read_from_the_metadata() -> None:
    """Two brokers, one with a rack, and the controller; an answer that is cut off is an error."""
    host_a, host_b = b"kafka-0.example", b"kafka-1.example"
    answer = struct.pack(">ii", 1, 2)
    answer += struct.pack(">ih", 0, len(host_a)) + host_a + struct.pack(">ih", 9092, -1)
    answer += struct.pack(">ih", 1, len(host_b)) + host_b + struct.pack(">ih", 9092, 2) + b"r1"
    answer += struct.pack(">i", 1)
    seen = metadata.parse(answer)
    assert seen.addresses == {0: Address("kafka-0.example", 9092), 1: Address("kafka-1.example", 9092)}
    assert seen.controller == 1
    with pytest.raises(struct.error):
        metadata.parse(answer[:-3])


def test_a_topics_description_is_read() -> None:
    """Partitions, leaders, replicas, in-sync replicas and settings, a comma inside of a setting included."""
    described = (
        "Topic: sums\tTopicId: x\tPartitionCount: 2\tReplicationFactor: 3\t"
        "Configs: min.insync.replicas=2,cleanup.policy=compact,delete,retention.ms=604800000\n"
        "\tTopic: sums\tPartition: 0\tLeader: 2\tReplicas: 2,0,1\tIsr: 2,0\tElr: \tLastKnownElr: \n"
        "\tTopic: sums\tPartition: 1\tLeader: none\tReplicas: 0,1,2\tIsr: \n"
    )
    facts = parse_topic(described)
    assert facts.config == {"min.insync.replicas": "2", "cleanup.policy": "compact,delete", "retention.ms": "604800000"}
    assert (facts.partitions[0].leader, facts.partitions[0].in_sync) == (2, [2, 0])
    assert (facts.partitions[1].leader, facts.partitions[1].in_sync) == (-1, [])


def test_reachability_is_read_with_its_reason() -> None:
    """A name that connects has no problem; of bash's complaint the reason is kept."""
    answers = (
        "adder.sumflow 50051\n"
        "nowhere.sumflow 1 bash: line 1: nowhere.sumflow: Name or service not known\n"
        "silent.sumflow 2 no answer within 3 s\n"
    )
    assert inside.parse_reach(answers) == {
        Address("adder.sumflow", 50051): None,
        Address("nowhere.sumflow", 1): "Name or service not known",
        Address("silent.sumflow", 2): "no answer within 3 s",
    }


def test_the_program_that_asks_for_names_tells_the_first_reason() -> None:
    """Bash says why a name does not resolve, and then that it therefore could not connect: the first line is told."""
    with socket.create_server(("127.0.0.1", 0)) as there, socket.create_server(("127.0.0.1", 0)) as gone:
        heard, refused = there.getsockname()[1], gone.getsockname()[1]
        gone.close()
        given = f"127.0.0.1 {heard}\n127.0.0.1 {refused}\nnowhere.invalid 1\n"
        done = subprocess.run(
            ["bash", "-c", f"head -n 3 | ({inside.REACH})"], input=given, capture_output=True, text=True, check=True
        )
    answers = inside.parse_reach(done.stdout)
    assert answers.pop(Address("127.0.0.1", heard)) is None
    assert answers.pop(Address("127.0.0.1", refused)) == "Connection refused"
    (unknown,) = answers.values()
    assert unknown is not None
    assert "Invalid argument" not in unknown


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ('{"status": "Success"}', 0),
        ('{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}', 3),
        ('{"status": "Failure", "message": "error dialing backend: no route to host"}', "error dialing backend"),
        ("", "the connection ended before the command did"),
    ],
)
def test_a_command_without_an_exit_code_did_not_run(status: str, ended: int | str) -> None:
    """A pod whose node is away answers nothing: that is no command that failed, and its reason is told."""
    found = streams.exit_code(status)
    assert found == ended if isinstance(ended, int) else str(found).startswith(ended)


def test_kafkas_programs_complain_among_log_entries() -> None:
    """The error is told, and not the warnings before it."""
    logged = "[2026-11-25] WARN Couldn't resolve server a:9092 (org.apache.kafka.clients.ClientUtils)\n"
    said = inside.complaint(streams.Outcome(1, "Error while executing topic command : timed out\n", logged))
    assert said == "Error while executing topic command : timed out"
    assert inside.complaint(streams.Outcome(1, "", logged)) == "it did not answer"


def _ref(group: str, kind: str, namespace: str, name: str) -> Ref:
    return Ref(group, "v1", kind, namespace, name)


CREATED = [
    _ref("", "Namespace", "", "sumflow"),
    _ref("apiextensions.k8s.io", "CustomResourceDefinition", "", "kafkas.kafka.strimzi.io"),
    _ref("rbac.authorization.k8s.io", "ClusterRole", "", "strimzi-kafka-broker"),
    _ref("apps", "Deployment", "sumflow-kafka", "strimzi-cluster-operator"),
    _ref("kafka.strimzi.io", "Kafka", "sumflow-kafka", "sumflow-kafka"),
    _ref("kafka.strimzi.io", "KafkaTopic", "sumflow-kafka", "sums"),
    _ref("", "Secret", "sumflow", "adder-postgres-secret"),
    _ref("", "PersistentVolumeClaim", "sumflow", "adder-postgres-pvc"),
    _ref("apps", "StatefulSet", "sumflow", "adder-postgres"),
    _ref("apps", "Deployment", "sumflow", "adder"),
    _ref("", "Service", "sumflow", "adder"),
]


def test_what_needs_the_operator_goes_before_it() -> None:
    """Topics before the cluster, both before the operator: their finalizers need it alive."""
    order = [part.name for part in removal.parts(CREATED)]
    assert order == ["workloads", "services and settings", "topics", "Kafka cluster", "Strimzi operator"]


def test_data_definitions_and_namespaces_are_looked_at_apart() -> None:
    """No part takes a volume, a password, a definition or a namespace with it."""
    removed = {ref.kind for part in removal.parts(CREATED) for ref in part.refs}
    assert removed.isdisjoint({"PersistentVolumeClaim", "Secret", "Namespace", "CustomResourceDefinition"})


def test_every_kind_that_can_be_made_can_be_found_again() -> None:
    """An inventory that leaves out a kind would leave its objects behind."""
    asked = {"Node", "Pod", "Event", "PersistentVolume", "ReplicaSet", "StorageClass", "SelfSubjectAccessReview"}
    assert {kind for group, kind in KINDS if group not in inventory.GROUPS} <= asked


def test_where_partitions_begin_and_end_is_read_from_two_lists() -> None:
    """The first list says where each partition begins, the second where it ends; their orders may differ."""
    said = "sums:0:5\nsums:1:0\n\nsums:1:9\nsums:0:12\n"
    assert inside.parse_extents(said) == {0: Extent(5, 12), 1: Extent(0, 9)}


def test_a_topics_identity_is_read() -> None:
    """Kafka's tools write the id in base64 where its protocol has a UUID; a topic without one is an error."""
    described = "Topic: sums\tTopicId: AAECAwQFBgcICQoLDA0ODw\tPartitionCount: 2\n"
    assert parse_topic_id(described) == UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")
    with pytest.raises(SumflowError):
        parse_topic_id("Topic: sums\tPartitionCount: 2\n")
