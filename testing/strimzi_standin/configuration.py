"""The configuration files of brokers and ZooKeeper nodes, made from what the custom resources declare."""

from __future__ import annotations

from testing.strimzi_standin.model import Cluster, Node

PLACES = {"control": 9090, "replication": 9091}
"""The operator's own listeners: of the controllers, and between the brokers (its own tools use that one too)."""


def host(cluster: Cluster, node: Node, service: str) -> str:
    """Return the DNS name of a node behind the headless `service`."""
    return f"{node.pod}.{cluster.name}-{service}.{cluster.namespace}.svc.cluster.local"


def server_properties(cluster: Cluster, node: Node) -> str:
    """Return the server.properties of one Kafka node. The internal listeners are plain, where the real ones use TLS."""
    mode = _zookeeper_mode(cluster, node) if cluster.zookeepers else _kraft_mode(cluster, node)
    lines = {
        "log.dirs": f"/var/lib/kafka/{node.volume.name}/kafka-log{node.node_id}",
        **mode,
        # Not the operator's: a test's consumer group of one need not wait for others to join.
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.num.partitions": 6,
        **cluster.config,
    }
    return "".join(f"{key}={_text(value)}\n" for key, value in lines.items())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listeners(cluster: Cluster, node: Node) -> dict[str, object]:
    listeners = {"REPLICATION": PLACES["replication"], "PLAIN": cluster.port}
    own = host(cluster, node, "kafka-brokers")
    return {
        "listeners": ",".join(f"{name}://0.0.0.0:{port}" for name, port in listeners.items()),
        "advertised.listeners": ",".join(f"{name}://{own}:{port}" for name, port in listeners.items()),
        "inter.broker.listener.name": "REPLICATION",
        "listener.security.protocol.map": "CONTROL:PLAINTEXT,REPLICATION:PLAINTEXT,PLAIN:PLAINTEXT",
    }


def _kraft_mode(cluster: Cluster, node: Node) -> dict[str, object]:
    controllers = [n for n in cluster.nodes if "controller" in n.roles]
    voters = ",".join(f"{n.node_id}@{host(cluster, n, 'kafka-brokers')}:{PLACES['control']}" for n in controllers)
    lines: dict[str, object] = {
        "node.id": node.node_id,
        "process.roles": ",".join(node.roles),
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROL",
    }
    control = f"CONTROL://0.0.0.0:{PLACES['control']}"
    if "broker" not in node.roles:
        return lines | {"listeners": control, "listener.security.protocol.map": "CONTROL:PLAINTEXT"}
    listeners = _listeners(cluster, node)
    if "controller" in node.roles:
        listeners["listeners"] = f"{control},{listeners['listeners']}"
    return lines | listeners


def _zookeeper_mode(cluster: Cluster, node: Node) -> dict[str, object]:
    return {
        "broker.id": node.node_id,
        "zookeeper.connect": f"{cluster.name}-zookeeper-client:2181",
        **_listeners(cluster, node),
        "listener.security.protocol.map": "REPLICATION:PLAINTEXT,PLAIN:PLAINTEXT",
    }


def zookeeper_config(cluster: Cluster) -> str:
    """Return the zoo.cfg that all nodes share; like the real one it answers four-letter words on 127.0.0.1:12181."""
    lines = [
        "dataDir=/var/lib/zookeeper/data",
        "4lw.commands.whitelist=*",
        "standaloneEnabled=false",
        "admin.enableServer=false",
        "tickTime=2000",
        "initLimit=5",
        "syncLimit=2",
        "autopurge.purgeInterval=1",
    ]
    for node in cluster.zookeepers:
        peer = f"{host(cluster, node, 'zookeeper-nodes')}:2888:3888:participant;127.0.0.1:12181"
        lines.append(f"server.{node.node_id + 1}={peer}")
    return "\n".join(lines) + "\n"
