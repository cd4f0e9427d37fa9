"""What cannot work is refused before anything starts, in words, with the file and the line to mend."""

# ruff: noqa: E501 -- one mistake a line: the list is read as a table
from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumflow import topology
from sumflow.errors import ManifestError
from sumflow.topology import kustomize, manifests
from sumflow.topology.objects import Object
from sumflow.topology.reading import Field, read_text
from tests.topology.conftest import Refusal
from tests.topology.tree import K8S

ADDER = "services/adder.yaml"
TOTALIZER = "services/totalizer.yaml"
POSTGRES = "infrastructure/postgres/adder-postgres.yaml"
KAFKA = "infrastructure/kafka-kraft/kafka-cluster.yaml"
TOPIC = "infrastructure/kafka-kraft/kafka-topic.yaml"
STRIMZI = "infrastructure/kafka-kraft/strimzi-operator.yaml"

CASES = {
    "an object without a kind": (TOPIC, "kind: KafkaTopic", "sort: KafkaTopic", "apiVersion", "`kind` is missing"),
    "an unknown kind": (TOPIC, "kind: KafkaTopic", "kind: KafkaTopik", "KafkaTopik", "KafkaTopik are not supported"),
    "another API version": (TOPIC, "io/v1\n", "io/v1beta1\n", "v1beta1", "is not supported"),
    "an unknown namespace": (TOPIC, "namespace: sumflow-kafka", "namespace: kafka", "namespace:", "no Namespace `kafka`"),
    "no namespace": (TOPIC, "  namespace: sumflow-kafka\n", "", "metadata:", "says no namespace"),
    "a topic of an unknown cluster": (TOPIC, "io/cluster: sumflow-kafka", "io/cluster: other", "io/cluster:", "`other`"),
    "a topic without its label": (TOPIC, "strimzi.io/cluster:", "strimzi.io/clutser:", "metadata:", "no operator sees it"),
    "a topic elsewhere": (TOPIC, "namespace: sumflow-kafka", "namespace: sumflow", "metadata:", "cluster's namespace"),
    "more replicas than brokers": (TOPIC, "replicas: 3", "replicas: 4", "replicas: 4", "4 replicas on 3 broker(s)"),
    "more in sync than there are": (TOPIC, "insync.replicas: 2", "insync.replicas: 4", "insync", "4 in-sync of 3"),
    "a topic without partitions": (TOPIC, "partitions: 6", "partitions: 0", "partitions", "must be a whole number, 1"),
    "partitions in words": (TOPIC, "partitions: 6", "partitions: six", "partitions", "must be a whole number"),
    "a nested Kafka setting": (TOPIC, "retention.ms: 604800000", "retention.ms: [7]", "[7]", "of a KafkaTopic is not"),
    "a pool without nodes": (KAFKA, "replicas: 3", "replicas: 0", "replicas: 0", "must be a whole number, 1"),
    "a pool of an unknown role": (KAFKA, "    - broker", "    - brooker", "spec:", "of broker and controller"),
    "a pool without brokers": (KAFKA, "    - broker\n", "", "apiVersion", "no node pool has brokers"),
    "a cluster without controllers": (KAFKA, "    - controller\n", "", "kafka:", "by node pools with the role controller"),
    "a second listener": (KAFKA, "        tls: false", "        tls: false\n      - {name: b, port: 1, type: internal, tls: false}", "- {name: b", "one listener"),
    "a listener with TLS": (KAFKA, "tls: false", "tls: true", "tls: true", "TLS is not supported"),
    "an outside listener": (KAFKA, "type: internal", "type: nodeport", "type: nodeport", "only internal"),
    "a version that is a number": (KAFKA, "    version: 4.3.1\n", "    version: 4.3\n", "version: 4.3", "must be text"),
    "a short commit": (STRIMZI, "  commit: 6c7b", "  commit: 7b", "commit", "40 hexadecimal digits"),
    "a digest that is none": (STRIMZI, "    4d97", "    d97", "010-ServiceAccount", "not a line of `sha256sum`"),
    "an unknown Secret": (ADDER, "name: adder-postgres-secret", "name: secret", "name: secret", "no Secret `secret`"),
    "an unknown ConfigMap": (ADDER, "                name: adder-config", "                name: conf", "name: conf", "no ConfigMap `conf`"),
    "an unknown account": (ADDER, "serviceAccountName: adder", "serviceAccountName: x", "serviceAccountName", "no ServiceAccount `x`"),
    "an unknown volume": (ADDER, "            - name: tmp\n", "            - name: tpm\n", "name: tpm", "no volume `tpm`"),
    "an unknown claim": (POSTGRES, "claimName: adder-postgres-pvc", "claimName: pvc", "claimName", "no PersistentVolumeClaim `pvc`"),
    "a selector that misses its pods": (ADDER, "    matchLabels:\n      app: adder", "    matchLabels:\n      app: other", "selector:", "does not match the labels"),
    "a Service of no pod": (ADDER, "  selector:\n    app: adder", "  selector:\n    app: other", "selector:", "selects no pod"),
    "a Service of no port": (ADDER, "targetPort: grpc", "targetPort: gprc", "targetPort: gprc", "has the port `gprc`"),
    "a budget of no pod": (ADDER, "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app: adder", "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app: b", "selector:", "selects no pod"),
    "an autoscaler of nothing": (ADDER, "    kind: Deployment\n    name: adder", "    kind: Deployment\n    name: b", "name: b", "no Deployment `b`"),
    "a probe of no port": (ADDER, "port: metrics\n", "port: metric\n", "port: metric", "no port named `metric`"),
    "a probe of two kinds": (ADDER, "          startupProbe:\n", "          startupProbe:\n            grpc: {port: 50051}\n", "startupProbe:", "exactly one of"),
    "a port twice": (ADDER, "containerPort: 9090", "containerPort: 50051", "- name: metrics", "declared twice"),
    "an unknown field of the pod": (ADDER, "fieldPath: metadata.name", "fieldPath: status.podIP", "fieldPath", "`status.podIP` is not supported"),
    "a reference to a variable": (ADDER, "value: 0.0.0.0:50051", "value: $(HOST):50051", "value: $(HOST)", "references to other variables"),
    "a number as a variable": (ADDER, "value: 0.0.0.0:50051", "value: 50051", "value: 50051", "must be text"),
    "CPU finer than Kubernetes knows": (ADDER, "cpu: 250m", "cpu: 0.0001", "cpu: 0.0001", "not a CPU quantity"),
    "memory that is none": (ADDER, "memory: 512Mi", "memory: lots", "memory: lots", "is not a quantity"),
    "a value where fields belong": (ADDER, "          resources:\n            requests:\n              memory: 192Mi\n              cpu: 250m\n", "          resources:\n            requests: 5\n", "requests: 5", "must hold fields"),
    "PostgreSQL 17": (POSTGRES, "postgres:16-alpine", "postgres:17-alpine", "image:", "not PostgreSQL 16"),
    "an older PostgreSQL in a registry": (POSTGRES, "postgres:16-alpine", "registry.corp/postgres:15.4", "image:", "not PostgreSQL 16"),
    "any PostgreSQL": (POSTGRES, "postgres:16-alpine", "postgres", "image:", "not PostgreSQL 16"),
    "another database": (POSTGRES, "postgres:16-alpine", "mysql:16", "image:", "not PostgreSQL 16"),
    "another PostgreSQL in a registry": (POSTGRES, "postgres:16-alpine", "registry.corp/not-postgres:16", "image:", "not PostgreSQL 16"),
    "two databases in one": (POSTGRES, "  replicas: 1", "  replicas: 2", "apiVersion", "one pod with one container"),
    "a variable of the image": (POSTGRES, "- name: PGDATA", "- name: POSTGRES_INITDB_ARGS", "POSTGRES_INITDB_ARGS", "not supported for a database"),
    "a database without a password": (POSTGRES, "  POSTGRES_PASSWORD: adder-secret-change-me\n", "", "apiVersion", "takes no POSTGRES_PASSWORD"),
    "a database without a Service": (POSTGRES, "  serviceName: adder-postgres", "  serviceName: pg", "serviceName: pg", "no Service `pg` leads to"),
    "an object declared twice": (TOTALIZER, "kind: ServiceAccount\nmetadata:\n  name: totalizer\n", "kind: ServiceAccount\nmetadata:\n  name: adder\n", "apiVersion", "declared twice"),
}  # fmt: skip
"""The file, the text and what it is replaced with, the line that is blamed, what is said."""


@pytest.mark.parametrize("case", CASES)
def test_refused_with_file_and_line(refusal: Refusal, case: str) -> None:
    """Each mistake is found, blamed on its own line and named."""
    file, old, new, at, said = CASES[case]
    assert said in refusal(file, old, new, at=at).what


def test_a_kafka_without_an_operator_release_is_refused(refusal: Refusal) -> None:
    """Without the pins nobody knows which operator would realise the cluster; the Kafka that needs it is blamed."""
    error = refusal(STRIMZI, "name: strimzi-release", "name: release", at="apiVersion", in_file=KAFKA)
    assert "no ConfigMap `strimzi-release`" in error.what


def test_a_profile_without_kafka_is_refused(k8s: Path) -> None:
    """A profile that leaves the cluster out is told so, not realised without it."""
    kustomization = k8s / "infrastructure/kafka-kraft/Kustomization"
    kustomization.write_text("resources: [strimzi-operator.yaml]\n")
    with pytest.raises(ManifestError, match="declares no Kafka"):
        topology.load("kraft", k8s)


def test_topics_are_held_to_the_brokers_of_their_profile(k8s: Path) -> None:
    """Without the patch that lowers them, three replicas on the one broker of `dev` are refused."""
    kustomization = k8s / "profiles/dev/kustomization.yaml"
    text = kustomization.read_text()
    kustomization.write_text(text.replace("kind: KafkaTopic\n", "kind: KafkaTopic\n      name: sums\n"))
    with pytest.raises(ManifestError, match="3 replicas on 1 broker") as caught:
        topology.load("dev", k8s)
    assert caught.value.file.endswith("kafka-topic-dead-letter.yaml")


_DOCUMENTS = {
    profile: [found.field for found in kustomize.build(K8S / "profiles" / profile)] for profile in ("kraft", "spec")
}
_JUNK: st.SearchStrategy[object] = st.sampled_from(
    [None, 5, -1, 0.5, True, "", "x", "$(A)", [], {}, [None], [{}], {"a": 1}, [["x"]], "a" * 300]
)


def _places(field: Field) -> list[tuple[dict[str, Field] | list[Field], str | int]]:
    """Return every place of a document that can be spoilt: its container and its key or index."""
    found: list[tuple[dict[str, Field] | list[Field], str | int]] = []
    if isinstance(field.value, dict | list):
        children = field.value.items() if isinstance(field.value, dict) else enumerate(field.value)
        for key, child in children:
            found += [(field.value, key), *_places(child)]
    return found


@settings(max_examples=300, deadline=None)
@given(data=st.data(), profile=st.sampled_from(["kraft", "spec"]), junk=_JUNK, remove=st.booleans())
def test_junk_is_refused_and_nothing_else(data: st.DataObject, profile: str, junk: object, remove: bool) -> None:
    """Whatever becomes of one field, the profile is read or refused with a line: no other error."""
    documents = [field.copy() for field in _DOCUMENTS[profile]]
    places = _places(documents[data.draw(st.integers(0, len(documents) - 1))])
    container, key = places[data.draw(st.integers(0, len(places) - 1))]
    if remove:
        del container[key]  # type: ignore[arg-type]
    else:
        (made,) = read_text(json.dumps([junk]), "junk.yaml")
        assert isinstance(made.value, list)
        container[key] = made.value[0]  # type: ignore[index]
    with contextlib.suppress(ManifestError):
        manifests.topology("any", [Object.of(document) for document in documents])


@pytest.mark.parametrize("registry", ["registry.corp:5000/mirror/", "docker.io/library/", ""])
@pytest.mark.parametrize("version", ["16", "16.10-alpine", "16-alpine@sha256:" + 64 * "0"])
def test_postgresql_may_come_from_any_registry(k8s: Path, registry: str, version: str) -> None:
    """Clusters without a way to the internet mirror the image; its version is what counts."""
    file = k8s / "infrastructure/postgres/adder-postgres.yaml"
    file.write_text(file.read_text().replace("postgres:16-alpine", f"{registry}postgres:{version}"))
    images = {each.name: each.workload.containers[0].image for each in topology.load("dev", k8s).databases}
    assert images["adder-postgres"] == f"{registry}postgres:{version}"
