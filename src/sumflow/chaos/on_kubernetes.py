"""A deployed system on a cluster, broken where it is, with no more rights than deploying it takes.

Clients and the reader of the total come through port-forwards of this process, the clients' through a proxy of its own:
that line is broken as on one machine. Everything else is done to pods (`sumflow.cluster.signals`). No object is left on
the cluster that has to be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sumflow.audit import facts
from sumflow.chaos.faults import Fault, Kind, Offers
from sumflow.chaos.lines import CLIENTS_LINE, LINE_FAULTS, Lines, Route
from sumflow.chaos.proxy import LOCAL
from sumflow.chaos.target import NotNowError, Undo, nothing_to_undo
from sumflow.client.endpoints import Endpoints
from sumflow.cluster import components, deployed, preflight, signals
from sumflow.cluster import facts as cluster_facts
from sumflow.cluster import target as cluster_target
from sumflow.cluster.client import Cluster
from sumflow.cluster.components import Component
from sumflow.cluster.demand import Permission
from sumflow.cluster.streams import Pod
from sumflow.errors import NotRunningError, SumflowError
from sumflow.topology.model import Topology

SETTLE_S: Final = 300.0
"""Containers that ended several times are held back by their kubelet, and a pod's replacement has to be started."""

_BETWEEN_PODS: Final = "between pods: only the clients' line to the adders has a proxy"
LEFT_OUT: Final = {
    Kind.FREEZE: "of brokers and ZooKeeper nodes: a container's first process cannot be stopped from inside",
    **dict.fromkeys(LINE_FAULTS, _BETWEEN_PODS),
    Kind.DISK: "the volumes are the cluster's",
}
"""Also of kinds that are offered: what of them is not."""

Act = Callable[[Cluster, Pod, float], Undo]
"""Does something to a pod for some seconds, and returns what takes it back."""


def _once(act: Callable[[Cluster, Pod], None]) -> Act:
    def done(cluster: Cluster, pod: Pod, lasts_s: float) -> Undo:
        del lasts_s
        act(cluster, pod)
        return nothing_to_undo

    return done


_RESTART_POD: Final = _once(partial(signals.end_pod, at_once=False))
_END_POD: Final = _once(partial(signals.end_pod, at_once=True))
_KILL_FIRST: Final = _once(signals.kill_first)

_SERVICE: Final = {Kind.KILL: _KILL_FIRST, Kind.RESTART: _RESTART_POD, Kind.FREEZE: signals.freeze_first}
_SIDE_CONTAINER: Final = _SERVICE | {Kind.RESTART: _once(signals.terminate_first)}
"""The relay: deleting the pod would end the adder that is beside it."""
_DATABASE: Final = {
    Kind.KILL: _once(signals.kill_others),
    Kind.RESTART: _RESTART_POD,
    Kind.FREEZE: signals.freeze_others,
}
_KAFKA: Final = {Kind.KILL: _END_POD, Kind.RESTART: _RESTART_POD}


@dataclass(frozen=True, slots=True)
class DeployedSystem:
    """The system.

    Args:
        cluster: where it is.
        looked_at: the checks' view of it.
        lines: the proxy in front of the adders.
        parts: what it is made of, as it was found.
        ways: how a family of components is broken, by its name.
    """

    cluster: Cluster
    looked_at: cluster_target.ClusterTarget
    lines: Lines
    parts: Mapping[str, Component]
    ways: Mapping[str, Mapping[Kind, Act]]
    settle_s: float = SETTLE_S

    @property
    def profile(self) -> str:
        """The profile that is deployed."""
        return self.looked_at.topology.profile

    @property
    def context(self) -> str:
        """The cluster's context."""
        return self.cluster.context

    def offers(self) -> Offers:
        """Every component may be hit in the ways of its family, and the clients' line."""
        found: dict[Kind, tuple[str, ...]] = dict.fromkeys(LINE_FAULTS, self.lines.names)
        for name, part in self.parts.items():
            for kind in self.ways[part.family.name]:
                found[kind] = (*found.get(kind, ()), name)
        return found

    def left_out(self) -> Mapping[Kind, str]:
        """What takes rights that nobody should have, or a place between pods."""
        return LEFT_OUT

    def begin(self, fault: Fault) -> Undo:
        """Do a fault."""
        if fault.kind in LINE_FAULTS:
            return self.lines.begin(fault)
        part = self.parts[fault.target]
        try:
            pod = components.pod_of(self.cluster, part)
            return self.ways[part.family.name][fault.kind](self.cluster, pod, fault.lasts_s)
        except SumflowError as error:
            raise NotNowError(error.in_a_line) from error

    def endpoints(self) -> Endpoints:
        """The adders through their line, the totalizers through a port-forward; any that is ready, at each connect."""
        return replace(self.looked_at.doors, adder=self.lines.address(CLIENTS_LINE))

    def books(self) -> facts.Opened:
        """Open the books through port-forwards to the databases' pods."""
        return self.looked_at.books()

    def problem(self) -> str:
        """Name the first part that is not ready, as `status` does."""
        return problem(self.cluster, self.looked_at.topology)


def problem(cluster: Cluster, system: Topology) -> str:
    """Say what part of a system is not ready, and why; nothing if all are."""
    unwell = [part for part in deployed.parts(cluster, system) if part.state != "ready"]
    return f"{unwell[0].ref}: {unwell[0].reason}" if unwell else ""


def check(cluster: Cluster, system: Topology) -> None:
    """See whether a system can be broken, and judged; changes nothing.

    Raises:
        SumflowError: a permission is missing.
        NotRunningError: a part of it is not ready.
    """
    denied = cluster_facts.denied(cluster, permissions(system))
    if denied:
        found = preflight.missing(denied)
        raise SumflowError(found.what, why=found.why, remedy=found.remedy)
    if unwell := problem(cluster, system):
        remedy = "`sumflow status --on kubernetes` shows all parts, `sumflow deploy` repairs"
        raise NotRunningError("the system is not well before anything is broken", why=unwell, remedy=remedy)


def permissions(system: Topology) -> tuple[Permission, ...]:
    """Return what breaking a system takes."""
    spaces = sorted({family.namespace for family in components.families(system)})
    needed = [Permission(verb, "", "pods", space) for space in spaces for verb in ("list", "delete")]
    needed += [Permission(verb, "", "pods", space, "exec") for space in spaces for verb in ("get", "create")]
    needed += [
        Permission(verb, "", "pods", each.workload.namespace, "portforward")
        for each in system.databases
        for verb in ("get", "create")
    ]
    return tuple(sorted(set(needed)))


@contextmanager
def deployed_system(cluster: Cluster, system: Topology) -> Iterator[DeployedSystem]:
    """Return a system that may be broken, its doors forwarded as long as that takes."""
    with cluster_target.opened(cluster, system) as looked_at:
        route = Route(LOCAL, looked_at.endpoints().adder)
        with Lines({CLIENTS_LINE: route}) as lines:
            yield DeployedSystem(cluster, looked_at, lines, components.look(cluster, system), ways(system))


def ways(system: Topology) -> Mapping[str, Mapping[Kind, Act]]:
    """Return how each family of components is broken, by its name."""
    found: dict[str, Mapping[Kind, Act]] = {"kafka": _KAFKA, "zookeeper": _KAFKA}
    found |= dict.fromkeys((each.name for each in system.databases), _DATABASE)
    for service in system.services:
        first, *others = service.containers
        found[first.name] = _SERVICE
        found |= dict.fromkeys((each.name for each in others), _SIDE_CONTAINER)
    return found
