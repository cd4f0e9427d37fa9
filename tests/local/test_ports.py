"""The table of local ports, and the question whether they are free."""

from __future__ import annotations

import os
import socket

import pytest

from sumflow import topology
from sumflow.errors import SumflowError
from sumflow.local import ports, preflight

PROFILES = ("dev", "kraft", "spec")


def test_public_contract_ports_are_the_declared_ones() -> None:
    """Without a base, what other programs know is where the manifests say, and PostgreSQL leaves 5432 alone."""
    assigned = ports.assign(topology.load("dev"))
    known = {
        "adder-0/grpc": 50051,
        "adder-0/metrics": 9090,
        "relay-0/relay-metrics": 9095,
        "totalizer-0/http": 8080,
        "totalizer-0/metrics": 9091,
        "kafka-0/plain": 9092,
        "adder-postgres-0/postgres": 15432,
        "totalizer-postgres-0/postgres": 15433,
    }
    assert known.items() <= assigned.items()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("base", [None, 31000])
def test_only_replicas_share_a_port_and_only_the_public_one(profile: str, base: int | None) -> None:
    """Two components have the same port only if they are replicas, and never one that a probe asks."""
    users: dict[int, set[str]] = {}
    for key, port in ports.assign(topology.load(profile), base).items():
        component, _, label = key.partition("/")
        users.setdefault(port, set()).add(f"{component.rpartition('-')[0]}/{label}")
        assert 1024 <= port < 65536
    assert all(len(names) == 1 for names in users.values())
    assigned = ports.assign(topology.load(profile), base)
    metrics = [port for key, port in assigned.items() if "metrics" in key]
    assert len(metrics) == len(set(metrics))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_base_makes_one_block_from_the_adders_port(profile: str) -> None:
    """With a base, the ports are consecutive, and the first is the one that clients of the adder need."""
    assigned = ports.assign(topology.load(profile), 31000)
    distinct = sorted(set(assigned.values()))
    assert assigned["adder-0/grpc"] == 31000
    assert distinct == list(range(31000, 31000 + len(distinct)))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_declared_port_has_a_local_one(profile: str) -> None:
    """Nothing that the manifests open is left out."""
    declared = topology.load(profile)
    assigned = ports.assign(declared)
    for workload in declared.services:
        for container in workload.containers:
            for name in ports.replica_names(workload, container):
                assert {f"{name}/{label}" for label in container.ports} <= assigned.keys()
    assert sum(key.startswith("zookeeper-") for key in assigned) == 3 * declared.kafka.zookeeper_nodes


def test_a_taken_port_is_reported_with_its_holder_and_the_way_out() -> None:
    """The error names the port, the component, the process that has it, and `--port-base`."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SumflowError) as raised:
            preflight.require_free({"adder-0/grpc": port})
    assert str(port) in raised.value.what
    assert "adder-0" in raised.value.what
    assert str(os.getpid()) in raised.value.what
    assert "--port-base" in raised.value.remedy


def test_a_port_that_others_share_is_taken_too() -> None:
    """A listener with SO_REUSEPORT counts: two systems must not share a service's port by accident."""
    with socket.socket() as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(("127.0.0.1", 0))
        shared.listen()
        port = shared.getsockname()[1]
        assert not preflight.is_free(port)
    assert preflight.is_free(port)


def test_a_free_block_is_free_and_in_a_row() -> None:
    """All ports of the block can be listened on, and none is one that the kernel gives to outgoing connections."""
    base = preflight.free_block(40)
    assert all(preflight.is_free(port) for port in range(base, base + 40))
    assert 20_000 <= base < 32_000 - 40
