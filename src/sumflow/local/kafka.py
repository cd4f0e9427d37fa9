"""Kafka on one machine: what Strimzi makes of the custom resource, as server.properties of ordinary processes.

Everything here is values; `plan` turns them into processes. The custom resource's config always comes before ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sumflow.errors import ManifestError
from sumflow.topology.model import KafkaCluster

LOCAL_ONLY: Final = (
    ("group.initial.rebalance.delay.ms", "0", "a consumer on one machine waits for no others"),
    ("offsets.topic.num.partitions", "4", "50 partitions of a few groups are 50 open logs a broker"),
    ("transaction.state.log.num.partitions", "4", "the same, for transactions"),
    ("share.coordinator.state.topic.num.partitions", "4", "the same, for share groups"),
    ("log.cleaner.dedupe.buffer.size", "8388608", "128 MiB a broker are allocated otherwise"),
    ("log.segment.bytes", "268435456", "a laptop's disk gets space back before a gigabyte is full"),
    ("num.network.threads", "2", "the brokers share the machine's cores"),
    ("num.io.threads", "4", "the same"),
    ("num.recovery.threads.per.data.dir", "2", "the same, after a kill -9"),
    ("broker.heartbeat.interval.ms", "500", "with the next: a killed broker is let back in after 3 s, not after 9"),
    ("broker.session.timeout.ms", "3000", "until then its old registration counts, and the new one is refused"),
)
"""Broker settings that only one machine has: key, value, reason. A key that the custom resource sets is left to it."""

SEVERAL_BROKERS: Final = (
    ("controlled.shutdown.enable", "false", "all stop at once: the last ones would wait for a quorum that is gone"),
)
"""What comes on top where there are several brokers; a single one hands in its registration and restarts at once."""

ZOOKEEPER_LOCAL_ONLY: Final = (
    ("tickTime", "1000", "the shortest session is two ticks; see zookeeper.session.timeout.ms"),
    ("initLimit", "20", "as Strimzi, in ticks of half the length"),
    ("syncLimit", "10", "the same"),
    ("4lw.commands.whitelist", "srvr, ruok", "readiness and `verify` ask `srvr`, liveness asks `ruok`"),
    ("admin.enableServer", "false", "its web console needs jars and a port that nothing here uses"),
    ("autopurge.purgeInterval", "1", "old snapshots go, as with Strimzi"),
    ("maxClientCnxns", "0", "all clients come from this one address"),
)
"""ZooKeeper settings of one machine: key, value, reason."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Kafka process: a broker, a KRaft controller or both.

    Args:
        node_id: unique in the cluster.
        data: its log directory.
        port: the listener's port; None for a dedicated controller.
        controller_port: the KRaft controller's port; None for a broker that is none.
        advertised_port: the port that clients and other brokers are told; None for the listener's own.
    """

    node_id: int
    data: Path
    port: int | None
    controller_port: int | None
    advertised_port: int | None = None


@dataclass(frozen=True, slots=True)
class ZooKeeper:
    """A ZooKeeper process: its id from 1, its data directory, and the ports of clients, peers and elections."""

    node_id: int
    data: Path
    client_port: int
    peer_port: int
    election_port: int

    @property
    def identity(self) -> Path:
        """The file that says which node this is."""
        return self.data / "myid"


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole cluster laid out on this machine; `cluster_id` is made once and kept."""

    cluster: KafkaCluster
    cluster_id: str
    nodes: tuple[Node, ...]
    zookeeper: tuple[ZooKeeper, ...] = ()

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, comma-joined."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes if node.port)

    @property
    def advertised(self) -> str:
        """The addresses by which the brokers are to be reached, comma-joined."""
        return ",".join(f"127.0.0.1:{node.advertised_port or node.port}" for node in self.nodes if node.port)


def node_properties(layout: Layout, node: Node) -> dict[str, str]:
    """Return the server.properties of one Kafka process."""
    own = {key: value for key, value, _ in LOCAL_ONLY}
    if layout.cluster.brokers > 1:
        own |= {key: value for key, value, _ in SEVERAL_BROKERS}
    identity = _under_zookeeper(layout, node) if layout.zookeeper else _under_kraft(layout, node)
    return own | dict(layout.cluster.config) | identity | {"log.dirs": str(node.data)}


def zookeeper_properties(layout: Layout, node: ZooKeeper) -> dict[str, str]:
    """Return the zoo.cfg of one ZooKeeper process."""
    own = {key: value for key, value, _ in ZOOKEEPER_LOCAL_ONLY}
    where = {"dataDir": str(node.data), "clientPort": str(node.client_port), "clientPortAddress": "127.0.0.1"}
    members = {
        f"server.{peer.node_id}": f"127.0.0.1:{peer.peer_port}:{peer.election_port}" for peer in layout.zookeeper
    }
    return own | where | (members if len(members) > 1 else {})


def properties_text(properties: Mapping[str, str]) -> str:
    """Write properties as Java reads them: sorted, backslashes doubled."""
    return "".join(f"{key}={value}\n".replace("\\", "\\\\") for key, value in sorted(properties.items()))


def _under_kraft(layout: Layout, node: Node) -> dict[str, str]:
    name = _listener(layout.cluster)
    voters = [f"{peer.node_id}@127.0.0.1:{peer.controller_port}" for peer in layout.nodes if peer.controller_port]
    listeners = []
    if node.port:
        listeners.append(f"{name}://127.0.0.1:{node.port}")
    if node.controller_port:
        listeners.append(f"CONTROLLER://127.0.0.1:{node.controller_port}")
    roles = [role for role, port in (("broker", node.port), ("controller", node.controller_port)) if port]
    properties = {
        "process.roles": ",".join(roles),
        "node.id": str(node.node_id),
        "controller.quorum.voters": ",".join(voters),
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(listeners),
        "listener.security.protocol.map": f"{name}:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    if node.port:
        properties |= {"advertised.listeners": _advertised(name, node), "inter.broker.listener.name": name}
    return properties


def _under_zookeeper(layout: Layout, node: Node) -> dict[str, str]:
    name = _listener(layout.cluster)
    return {
        "broker.id": str(node.node_id),
        "zookeeper.connect": ",".join(f"127.0.0.1:{peer.client_port}" for peer in layout.zookeeper),
        "zookeeper.session.timeout.ms": "3000",
        "listeners": f"{name}://127.0.0.1:{node.port}",
        "advertised.listeners": _advertised(name, node),
        "inter.broker.listener.name": name,
        "listener.security.protocol.map": f"{name}:PLAINTEXT",
    }


def _advertised(name: str, node: Node) -> str:
    return f"{name}://127.0.0.1:{node.advertised_port or node.port}"


def _listener(cluster: KafkaCluster) -> str:
    """Return the listener's name in Kafka's way; raise ManifestError for one that needs certificates."""
    first = cluster.listeners[0]
    if first.tls:
        raise ManifestError(
            f"the listener {first.name} wants TLS, which one machine does not provide",
            file=cluster.source.file,
            line=cluster.source.line,
            remedy="declare a listener without TLS first",
        )
    return first.name.upper()
