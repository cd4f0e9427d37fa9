"""The manifests say what docs/specification.md says, value by value; every departure is listed here with its reason."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from sumflow import topology
from sumflow.topology import addresses, quantities
from sumflow.topology.model import Resources
from tests.topology import specification
from tests.topology.tree import PROFILES, ROOT, Manifest, by_identity, documents, identity, leaves

SPECIFIED = specification.manifests()

ADDITIONS = {
    "*/metadata/labels/app.kubernetes.io/*": "the labels that every tool understands",
    "*/metadata/labels/app": "the label that the specification's commands select by, on the object too",
    "Namespace/metadata/labels/pod-security.kubernetes.io/enforce": "Pod Security",
    "Kafka/spec/zookeeper/resources/limits/*": "in the specification's table, missing in its YAML",
    "StatefulSet/spec/template/spec/automountServiceAccountToken": "PostgreSQL does not speak to Kubernetes",
    "StatefulSet/spec/template/spec/securityContext/*": "Pod Security `restricted`",
    "StatefulSet/spec/template/spec/containers[[]postgres]/securityContext/*": "Pod Security `restricted`",
    "StatefulSet/spec/template/spec/containers[[]postgres]/env[[]PGDATA]/*": "initdb refuses a volume's root",
    "StatefulSet/spec/template/spec/containers[[]postgres]/startupProbe/*": "recovery must not look like death",
    "StatefulSet/spec/template/spec/containers[[]postgres]/volumeMounts[[]run]/*": "the root is read-only",
    "StatefulSet/spec/template/spec/containers[[]postgres]/volumeMounts[[]tmp]/*": "the root is read-only",
    "StatefulSet/spec/template/spec/volumes[[]run]/*": "the root is read-only",
    "StatefulSet/spec/template/spec/volumes[[]tmp]/*": "the root is read-only",
    "StatefulSet/spec/template/spec/containers[[]postgres]/ports[[]postgres]/name": "a port has a name",
    "Service/spec/ports[[]postgres]/name": "a port has a name",
    "Service/spec/ports[[]postgres]/targetPort": "the container's port by that name",
}
"""What the manifests say beyond the specification."""


def _values(manifest: Manifest) -> dict[str, object]:
    """Return an object's values by path; a port with a name is the specification's port without one."""
    return {f"{manifest['kind']}{path}": value for path, value in leaves(manifest)}


def _nameless(values: dict[str, object]) -> dict[str, object]:
    return {path.replace("ports[postgres]", "ports[0]"): value for path, value in values.items()}


@pytest.mark.parametrize("file", SPECIFIED)
def test_every_specified_value_is_declared(file: str) -> None:
    """Each value of the specification's YAML stands in the file that the specification names, unchanged."""
    ours = by_identity(documents(ROOT / file)) if SPECIFIED[file] else {}
    for wanted in SPECIFIED[file]:
        have = _nameless(_values(ours[identity(wanted)]))
        assert {path: have.get(path) for path in _values(wanted)} == _values(wanted)


@pytest.mark.parametrize("file", [file for file in SPECIFIED if SPECIFIED[file]])
def test_every_addition_is_explained(file: str) -> None:
    """What a manifest says beyond the specification is in the list above, and so has a reason."""
    wanted = by_identity(SPECIFIED[file])
    ours = by_identity(documents(ROOT / file))
    assert set(ours) == set(wanted)
    for key, manifest in ours.items():
        specified = _values(wanted[key])
        added = [path for path in _values(manifest) if path.replace("ports[postgres]", "ports[0]") not in specified]
        assert [path for path in added if not any(fnmatchcase(path, pattern) for pattern in ADDITIONS)] == []


def test_no_addition_is_listed_in_vain() -> None:
    """Each listed addition is made somewhere; the list does not outlive what it explains."""
    made = {path for file in SPECIFIED for manifest in documents(ROOT / file) for path in _values(manifest)}
    assert [pattern for pattern in ADDITIONS if not any(fnmatchcase(path, pattern) for path in made)] == []


def test_the_specified_files_exist() -> None:
    """The specified directory tree is there, and each of its files is one that the text describes."""
    assert specification.files() == set(SPECIFIED)
    assert [file for file in specification.files() if not (ROOT / file).is_file()] == []


def test_the_specified_commands_name_files_that_exist() -> None:
    """Whatever the deployment order applies is there to be applied, in the order that the text gives."""
    named = [
        match.group(1)
        for command in specification.commands("Deployment Order")
        if (match := re.fullmatch(r"kubectl apply -f (\S+)", command))
    ]
    assert named == [
        "k8s/base/namespace.yaml",
        "k8s/infrastructure/kafka/kafka-cluster.yaml",
        "k8s/infrastructure/kafka/kafka-topic.yaml",
        "k8s/infrastructure/postgres/",
    ]
    assert all((ROOT / path).exists() for path in named)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_namespaces_are_those_of_the_text(profile: str) -> None:
    """Each profile has the three namespaces of the section on organisation."""
    wanted = re.findall(r"^(sumflow\S*) +#", specification.section("Namespace Organization"), re.MULTILINE)
    assert topology.load(profile).namespaces == tuple(wanted)
    assert len(wanted) == 3


@pytest.mark.parametrize("profile", PROFILES)
def test_the_service_discovery_table_holds(profile: str) -> None:
    """Each DNS name and port of the table is declared, under the component that the table says."""
    read = topology.load(profile)
    named = {"Kafka Bootstrap": read.kafka.bootstrap}
    named |= {database.name.replace("-", " ").title(): database.address for database in read.databases}
    rows = specification.table("Service Discovery")
    assert {row["Service"]: f"{row['DNS'].strip('`')}:{row['Port']}" for row in rows} == {
        name: str(address) for name, address in named.items()
    }
    assert set(named.values()) <= set(addresses.declared(read))


def _row(row: dict[str, str]) -> Resources:
    return Resources(
        cpu_request_m=quantities.millicores(row["CPU Request"]),
        cpu_limit_m=quantities.millicores(row["CPU Limit"]),
        memory_request=quantities.size_bytes(row["Memory Request"]),
        memory_limit=quantities.size_bytes(row["Memory Limit"]),
    )


def test_the_resource_table_holds() -> None:
    """Requests, limits and numbers of the resource summary are those of the profile `spec`, ZooKeeper's limits too."""
    read = topology.load("spec")
    have = {
        f"Kafka Broker (x{read.kafka.brokers})": read.kafka.broker_resources,
        f"Zookeeper (x{read.kafka.zookeeper_nodes})": read.kafka.zookeeper_resources,
    }
    for database in read.databases:
        have[database.name.replace("-", " ").title()] = database.workload.containers[0].resources
    assert {row["Component"]: _row(row) for row in specification.table("Resource Summary")} == have


def test_the_checklist_can_be_met() -> None:
    """The testing checklist's numbers are the declared ones."""
    checklist = specification.section("Testing Checklist")
    read = topology.load("spec")
    assert f"({read.kafka.brokers} brokers)" in checklist
    assert f"({read.kafka.zookeeper_nodes} nodes)" in checklist
    sums = next(topic for topic in read.topics if topic.name == "sums")
    assert f'Topic "{sums.name}" created with {sums.partitions} partitions' in checklist


def test_the_specified_selectors_find_the_pods() -> None:
    """The labels that the verification commands select by are on the pods."""
    wanted = set()
    for command in specification.commands("Verification Commands"):
        wanted |= set(re.findall(r"get pods -n sumflow -l app=(\S+)", command))
    labels = {database.workload.labels.get("app") for database in topology.load("spec").databases}
    assert labels == wanted
    assert len(wanted) == 2


def test_kraft_departs_only_where_zookeeper_was() -> None:
    """The KRaft profile keeps listener, configuration, resources and topics of the specification."""
    spec, kraft = topology.load("spec"), topology.load("kraft")
    for field in ("name", "namespace", "brokers", "listeners", "config", "broker_resources", "bootstrap"):
        assert getattr(kraft.kafka, field) == getattr(spec.kafka, field), field
    facts = [[(t.name, t.partitions, t.replicas, t.config) for t in read.topics] for read in (spec, kraft)]
    assert facts[0] == facts[1]
    assert (kraft.databases, kraft.services, kraft.secrets) == (spec.databases, spec.services, spec.secrets)
