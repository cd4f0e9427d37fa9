"""The service-discovery table on one machine: every declared name leads to a local port, and so does the environment.

Pure: tables in, texts out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sumflow.local.ports import Ports
from sumflow.topology import addresses
from sumflow.topology.model import Container, DnsAddress, Service, Topology, Workload

Table = Mapping[DnsAddress, str]
"""A declared address to the local one; Kafka's bootstrap to all brokers, comma-joined."""


def table(topology: Topology, ports: Ports, bootstrap: str) -> dict[DnsAddress, str]:
    """Return where each declared address is on this machine."""
    found = {topology.kafka.bootstrap: bootstrap}
    for database in topology.databases:
        found[database.address] = f"127.0.0.1:{ports[f'{database.name}-0/postgres']}"
    for service in topology.discovery:
        for address, port in _targets(service, topology, ports):
            found.setdefault(address, f"127.0.0.1:{port}")
    return found


def environment(
    declared: Mapping[str, str], names: Table, own_ports: Mapping[int, int], pod: str, namespace: str
) -> dict[str, str]:
    """Return a container's environment for a local process.

    Args:
        declared: the variables as the manifests have them, secrets resolved.
        names: the service-discovery table.
        own_ports: container port to local port; what listens on all interfaces in a pod listens on 127.0.0.1 here.
        pod: the name that stands for `$(POD_NAME)`.
        namespace: where short DNS names are resolved.
    """
    listening: dict[DnsAddress, DnsAddress | str] = {
        DnsAddress("0.0.0.0", port): f"127.0.0.1:{local}"  # noqa: S104 -- it is replaced, not listened on
        for port, local in own_ports.items()
    }
    mapping = {**names, **listening}
    return {
        name: addresses.rewrite(value, mapping, namespace=namespace).replace("$(POD_NAME)", pod)
        for name, value in declared.items()
    }


def _targets(service: Service, topology: Topology, ports: Ports) -> Iterator[tuple[DnsAddress, int]]:
    """Return each port of a Service of ours with the local port of its first replica."""
    for workload in topology.services:
        if service.namespace == workload.namespace and _selects(service, workload):
            for port, target in service.ports.items():
                for container in workload.containers:
                    label = _port_name(container, target)
                    if label is not None:
                        yield DnsAddress(service.host, port), ports[f"{container.name}-0/{label}"]


def _selects(service: Service, workload: Workload) -> bool:
    return service.selector.items() <= workload.labels.items()


def _port_name(container: Container, target: int | str) -> str | None:
    """Return the container's name for a Service's target port, or None if it has no such port."""
    if isinstance(target, str):
        return target if target in container.ports else None
    return next((name for name, port in container.ports.items() if port == target), None)
