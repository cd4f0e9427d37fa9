"""The table of fields is complete, printed as it is used, and a field that is not in it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sumflow import topology
from sumflow.topology import fields
from sumflow.topology.field_table import KINDS
from tests.topology.conftest import Refusal
from tests.topology.tree import PROFILES, ROOT, declaring_files, documents


def test_the_documentation_is_the_table() -> None:
    """docs/manifests.md is what `fields.documentation` prints."""
    assert (ROOT / "docs/manifests.md").read_text() == fields.documentation()


def test_every_field_of_the_table_is_in_the_documentation() -> None:
    """No field is honoured or ignored without being written down, with its reason."""
    printed = fields.documentation()
    for kind in KINDS:
        assert f"## {kind.name} ({kind.api_version})" in printed
        assert all(f"`{pattern}`" in printed and rule.how in printed for pattern, rule in kind.fields.items())


def test_no_kind_is_known_in_vain() -> None:
    """Each kind and version of the table occurs in the manifests."""
    declared = {(each["kind"], each["apiVersion"]) for path in declaring_files() for each in documents(path)}
    assert {(kind.name, kind.api_version) for kind in KINDS} == declared


@pytest.mark.parametrize("profile", PROFILES)
def test_ignored_fields_are_told_with_their_reason(profile: str) -> None:
    """What a profile declares and one machine does not honour is listed, and nothing that is honoured is."""
    ignored = topology.load(profile).ignored
    assert "PersistentVolumeClaim spec.resources.requests.storage" in ignored
    assert "Deployment spec.replicas" not in ignored
    assert ("HorizontalPodAutoscaler spec.maxReplicas" in ignored) == (profile != "dev")
    assert all(len(reason) > 10 for reason in ignored.values())


ADDER = "services/adder.yaml"
KAFKA = "infrastructure/kafka-kraft/kafka-cluster.yaml"
TOPIC = "infrastructure/kafka-kraft/kafka-topic.yaml"
POSTGRES = "infrastructure/postgres/adder-postgres.yaml"
POD = "spec.template.spec"

UNKNOWN = {
    "spec.paused": (ADDER, "  replicas: 2", "  paused: true"),
    f"{POD}.hostNetwork": (ADDER, "      enableServiceLinks: false", "      hostNetwork: true"),
    f"{POD}.containers[].command": (ADDER, "          imagePullPolicy: IfNotPresent", "          command: [sh]"),
    f"{POD}.containers[].resources.limits.gpu": (ADDER, "              memory: 512Mi", "              gpu: 1"),
    f"{POD}.containers[].livenessProbe.exec": (
        ADDER,
        "            periodSeconds: 10",
        "            exec: {command: [x]}",
    ),
    f"{POD}.containers[].startupProbe.httpGet": (
        POSTGRES,
        "            failureThreshold: 120",
        "            httpGet: {}",
    ),
    f"{POD}.volumes[].hostPath": (ADDER, "          emptyDir:", "          hostPath: {path: x}"),
    "spec.partition": (TOPIC, "  partitions: 6", "  partition: 6"),
    "immutable": (POSTGRES, "type: Opaque", "immutable: true"),
    "spec.kafka.replicas": (KAFKA, "    version: 4.3.1", "    replicas: 3"),
    "spec.entityOperator.userOperator.x": (KAFKA, "    userOperator: {}", "    userOperator: {x: z}"),
    "metadata.finalizers": ("base/namespace.yaml", "  name: sumflow-kafka", "  finalizers: [x]"),
}
"""A field, and where it is put: a file, the line that it comes before or replaces, what is written there."""


@pytest.mark.parametrize("field", UNKNOWN)
def test_an_unknown_field_is_refused_where_it_stands(refusal: Refusal, field: str) -> None:
    """A field that is not in the table stops the reading, with its path, its file and its line."""
    file, line, instead = UNKNOWN[field]
    new = instead if line.split(":")[0] == instead.split(":")[0] else f"{instead}\n{line}"
    error = refusal(file, f"\n{line}\n", f"\n{new}\n", at=instead.strip())
    assert f"`{field}` of a" in error.what
    assert "docs/manifests.md" in error.remedy


def test_an_unknown_field_that_a_patch_brings_is_refused_in_the_patch(refusal: Refusal, k8s: Path) -> None:
    """The file and line are those of the patch, not of the manifest that it changes."""
    error = refusal(
        "profiles/dev/kustomization.yaml",
        "        path: /spec/replicas\n        value: 1",
        "        path: /spec/replicas\n        value: {few: 1}",
        at="{few: 1}",
        profile="dev",
    )
    assert "`spec.replicas.few` of a KafkaNodePool" in error.what
