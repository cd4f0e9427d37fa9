"""The components of a deployed system by the names that they have on one machine, and the pods behind them.

A Deployment's pods get new names all the time; `adder-0` is the first of those that run when it is asked for. The pods
of databases and of Kafka keep their names, and so do their components.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sumflow.cluster import deployed
from sumflow.cluster.client import Cluster
from sumflow.cluster.streams import Pod
from sumflow.errors import NotRunningError
from sumflow.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Family:
    """Copies of one thing.

    Args:
        name: what the components are called, before their number.
        namespace: where their pods are.
        labels: what their pods carry.
        container: where they run in those.
        lasting: whether a pod that is replaced keeps its name.
    """

    name: str
    namespace: str
    labels: str
    container: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Component:
    """One copy; `pod` is its pod's name when the system was looked at."""

    family: Family
    number: int
    pod: str

    @property
    def name(self) -> str:
        """As on one machine: `adder-0`, `kafka-2`."""
        return f"{self.family.name}-{self.number}"


def families(system: Topology) -> Iterator[Family]:
    """Return what a system is made of."""
    for service in system.services:
        for container in service.containers:
            yield Family(container.name, service.namespace, f"app={service.name}", container.name, lasting=False)
    for database in system.databases:
        workload = database.workload
        container_name = workload.containers[0].name
        yield Family(database.name, workload.namespace, f"app={database.name}", container_name, lasting=True)
    kafka = system.kafka
    for part in ("kafka", "zookeeper"):
        yield Family(part, kafka.namespace, f"strimzi.io/name={kafka.name}-{part}", part, lasting=True)


def look(cluster: Cluster, system: Topology) -> Mapping[str, Component]:
    """Return the components of a system as it runs now, by their names."""
    found = [
        Component(family, number, pod.name)
        for family in families(system)
        for number, pod in enumerate(_running(cluster, family))
    ]
    return {each.name: each for each in found}


def pod_of(cluster: Cluster, component: Component) -> Pod:
    """Return the pod in which a component runs now; raise NotRunningError if there is none at the moment."""
    running = _running(cluster, component.family)
    if component.family.lasting:
        running = [pod for pod in running if pod.name == component.pod]
        place = 0
    else:
        place = component.number
    if place >= len(running):
        raise NotRunningError(f"{component.name} has no running pod at the moment")
    return running[place]


def _running(cluster: Cluster, family: Family) -> list[Pod]:
    return deployed.running(cluster, family.namespace, family.labels, family.container)
