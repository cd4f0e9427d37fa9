"""The services' manifests keep what issue and design ask of them: ports, environment, probes, safety, scale."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import sumflow
from sumflow import settings, topology
from sumflow.topology.model import Container, HttpProbe
from tests.topology.tree import PROFILES, Manifest

SETTINGS: dict[str, type[msgspec.Struct]] = {
    "adder": settings.AdderSettings,
    "relay": settings.RelaySettings,
    "totalizer": settings.TotalizerSettings,
}
CONTAINERS = {
    (profile, container.name): container
    for profile in PROFILES
    for workload in topology.load(profile).services
    for container in workload.containers
}


def _objects(profile: str, kind: str) -> list[Any]:
    return [found for found in topology.render(profile) if found["kind"] == kind]


def _pods(profile: str) -> list[Manifest]:
    workloads = _objects(profile, "Deployment") + _objects(profile, "StatefulSet")
    return [found["spec"]["template"]["spec"] for found in workloads]


@pytest.mark.parametrize(("profile", "name"), CONTAINERS)
def test_the_environment_is_what_the_process_reads(profile: str, name: str) -> None:
    """The declared environment, as it is, makes the settings of the process; no variable of it is unknown to all."""
    container = CONTAINERS[profile, name]
    settings.load(SETTINGS[name], container.env)
    known = {field.encode_name for kind in SETTINGS.values() for field in msgspec.structs.fields(kind)}
    assert container.env.keys() - known == set()
    assert container.args == (name,)


@pytest.mark.parametrize(("profile", "name"), CONTAINERS)
def test_listening_ports_are_the_declared_ones(profile: str, name: str) -> None:
    """What a process is told to listen on is a port of its container, and each port is listened on."""
    container = CONTAINERS[profile, name]
    listening = {int(value.rpartition(":")[2]) for key, value in container.env.items() if key.endswith("_LISTEN")}
    assert listening == set(container.ports.values())


def test_the_contract_s_ports() -> None:
    """gRPC, REST and metrics are where the contract says, and each Service leads there."""
    services = {service.name: service.ports for service in topology.load("spec").discovery}
    assert services["adder"] == {50051: "grpc", 9090: "metrics", 9095: "relay-metrics"}
    assert services["totalizer"] == {8080: "http", 9091: "metrics"}


@pytest.mark.parametrize(("profile", "name"), CONTAINERS)
def test_probes_test_what_they_claim(profile: str, name: str) -> None:
    """Start and life depend on the process alone; readiness on its dependencies."""
    container: Container = CONTAINERS[profile, name]
    metrics = settings.Address.parse(container.env["METRICS_LISTEN"]).port
    probes = (container.startup, container.liveness, container.readiness)
    checks = [probe.check for probe in probes if probe]
    assert checks == [HttpProbe("/livez", metrics), HttpProbe("/livez", metrics), HttpProbe("/readyz", metrics)]


@pytest.mark.parametrize("profile", PROFILES)
def test_names_agree_with_what_is_declared(profile: str) -> None:
    """Bootstrap address, topics and database addresses in the environment are those of the same profile."""
    read = topology.load(profile)
    databases = {database.name: str(database.address) for database in read.databases}
    topics = {topic.name for topic in read.topics}
    for workload in read.services:
        for container in workload.containers:
            assert container.env["KAFKA_BOOTSTRAP_SERVERS"] == str(read.kafka.bootstrap)
            assert container.env["POSTGRES_ADDRESS"] == databases[f"{workload.name}-postgres"]
            assert {value for key, value in container.env.items() if key.endswith("_TOPIC")} <= topics


@pytest.mark.parametrize("profile", PROFILES)
def test_secrets_are_never_copied(profile: str) -> None:
    """Credentials come from the database's own Secret, each variable traceable to its key; all are placeholders."""
    read = topology.load(profile)
    for workload in read.services:
        for container in workload.containers:
            held = {key: (origin.secret, origin.key) for key, origin in container.from_secrets.items()}
            names = ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
            assert held == {key: (f"{workload.name}-postgres-secret", key) for key in names}
    assert [secret.placeholders for secret in read.secrets] == [frozenset({"POSTGRES_PASSWORD"})] * 2


def test_the_image_is_this_version() -> None:
    """The manifests run the version that they are shipped with, and say so in their labels."""
    assert {container.image for container in CONTAINERS.values()} == {f"sumflow:{sumflow.__version__}"}
    versions = {workload.labels["app.kubernetes.io/version"] for workload in topology.load("spec").services}
    assert versions == {sumflow.__version__}


@pytest.mark.parametrize("profile", PROFILES)
def test_pods_meet_the_restricted_standard(profile: str) -> None:
    """Each pod of ours sets what Pod Security `restricted` asks for, which its namespace enforces."""
    for pod in _pods(profile):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    enforced = {found["metadata"]["name"]: found["metadata"]["labels"] for found in _objects(profile, "Namespace")}
    assert enforced["sumflow"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_container_has_requests_and_limits(profile: str) -> None:
    """Each container asks for CPU and memory and is limited in both; a limit is never below its request."""
    read = topology.load(profile)
    workloads = [*read.services, *(database.workload for database in read.databases)]
    for has in (container.resources for workload in workloads for container in workload.containers):
        assert has.cpu_request_m
        assert has.memory_request
        assert (has.cpu_limit_m or 0) >= has.cpu_request_m
        assert (has.memory_limit or 0) >= has.memory_request


@pytest.mark.parametrize("profile", ["spec", "kraft"])
def test_services_survive_a_node_and_scale(profile: str) -> None:
    """Two of each on different nodes, one away at a time, two to ten at 70 % CPU; a surge before a loss."""
    for found in _objects(profile, "Deployment"):
        spec, pod = found["spec"], found["spec"]["template"]["spec"]
        assert spec["replicas"] == 2
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert [spread["topologyKey"] for spread in pod["topologySpreadConstraints"]] == ["kubernetes.io/hostname"]
    budgets = {
        found["metadata"]["name"]: found["spec"]["maxUnavailable"] for found in _objects(profile, "PodDisruptionBudget")
    }
    assert budgets == {"adder": 1, "totalizer": 1}
    scalers = _objects(profile, "HorizontalPodAutoscaler")
    assert [found["spec"]["scaleTargetRef"]["name"] for found in scalers] == ["adder", "totalizer"]
    for spec in (found["spec"] for found in scalers):
        assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
        target = {"type": "Utilization", "averageUtilization": 70}
        assert [metric["resource"] for metric in spec["metrics"]] == [{"name": "cpu", "target": target}]


def test_dev_is_one_of_each() -> None:
    """The laptop's profile runs one of everything, has one copy, and neither scales nor budgets."""
    read = topology.load("dev")
    assert (read.kafka.brokers, {topic.replicas for topic in read.topics}) == (1, {1})
    factors = {key: value for key, value in read.kafka.config.items() if "replica" in key or "isr" in key}
    assert set(factors.values()) == {"1"}
    assert {workload.replicas for workload in read.services} == {1}
    assert _objects("dev", "HorizontalPodAutoscaler") + _objects("dev", "PodDisruptionBudget") == []
    assert {container.env["ENVIRONMENT"] for (profile, _), container in CONTAINERS.items() if profile == "dev"} == {
        "development"
    }
