"""Which local port each declared port gets: a table that people can learn by heart, or one block from a base.

Pure; `preflight` looks whether the ports are free. On Linux the replicas of a service share its public port (the
kernel spreads connections over them, SO_REUSEPORT); a port that a probe asks is always a replica's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sumflow.topology.model import Container, GrpcProbe, HttpProbe, Topology, Workload

REPLICA_STRIDE: Final = 1000
"""The i-th replica's own ports lie this far apart: 9090, 10090, 11090."""
DATABASE_BASE: Final = 15432
"""PostgreSQL servers from here on; 5432 is often taken by a server of the machine's own."""
CONTROLLER_BASE: Final = 19093
ZOOKEEPER_BASES: Final = {"client": 12181, "peer": 12888, "election": 13888}

Ports = Mapping[str, int]
"""`component/port name` to local port, such as `kafka-0/plain`."""


def assign(topology: Topology, base: int | None = None) -> dict[str, int]:
    """Give every declared port a local one: the table's, or consecutive ones from `base`."""
    wanted = list(_services(topology)) + list(_kafka(topology)) + list(_databases(topology))
    if base is None:
        return dict(wanted)
    places: dict[int, int] = {}
    for _, default in wanted:
        places.setdefault(default, base + len(places))
    return {key: places[default] for key, default in wanted}


def count(topology: Topology) -> int:
    """Return how many local ports there are in a block of a system's own."""
    return len(set(assign(topology, 0).values()))


def own_ports(container: Container) -> frozenset[int]:
    """Return the container ports that each replica needs for itself, because a probe asks them."""
    probes = (container.startup, container.readiness, container.liveness)
    checks = [probe.check for probe in probes if probe]
    return frozenset(check.port for check in checks if isinstance(check, HttpProbe | GrpcProbe))


def replica_names(workload: Workload, container: Container) -> list[str]:
    """Return the component names of a container's replicas."""
    return [f"{container.name}-{i}" for i in range(workload.replicas)]


def _services(topology: Topology) -> Iterator[tuple[str, int]]:
    for workload in topology.services:
        for container in workload.containers:
            own = own_ports(container)
            for i, name in enumerate(replica_names(workload, container)):
                for port_name, port in container.ports.items():
                    yield f"{name}/{port_name}", port + REPLICA_STRIDE * i * (port in own)


def _kafka(topology: Topology) -> Iterator[tuple[str, int]]:
    kafka = topology.kafka
    for i in range(kafka.brokers):
        yield f"kafka-{i}/{kafka.listeners[0].name}", kafka.listeners[0].port + REPLICA_STRIDE * i
    if kafka.zookeeper_nodes:
        for purpose, first in ZOOKEEPER_BASES.items():
            for i in range(kafka.zookeeper_nodes):
                yield f"zookeeper-{i}/{purpose}", first + i
        return
    names = [f"controller-{i}" for i in range(kafka.controllers)] or [f"kafka-{i}" for i in range(kafka.brokers)]
    for i, name in enumerate(names):
        yield f"{name}/controller", CONTROLLER_BASE + i


def _databases(topology: Topology) -> Iterator[tuple[str, int]]:
    for i, database in enumerate(topology.databases):
        yield f"{database.name}-0/postgres", DATABASE_BASE + i
