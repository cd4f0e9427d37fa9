"""What the custom resources ask for, as values: read once, so that what is made from them cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from testing.strimzi_standin.names import CLUSTER_LABEL, Object


class RejectedError(Exception):
    """The real operator would refuse this; `reason` and the message are those of its NotReady condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Volume:
    """A node's data volume: its name in the pod, and the claim's size and class (no size: an emptyDir)."""

    name: str
    size: str | None
    storage_class: str | None


@dataclass(frozen=True)
class Node:
    """A Kafka broker or controller, or a ZooKeeper node (no roles)."""

    pod: str
    node_id: int
    pool: str
    roles: tuple[str, ...]
    volume: Volume
    resources: Object
    pod_template: Object


@dataclass(frozen=True)
class Pool:
    """Nodes that share one StrimziPodSet; `owner` is the custom resource that it goes away with."""

    name: str
    owner: Object
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Cluster:
    """Everything that one Kafka object and its KafkaNodePools ask for."""

    name: str
    namespace: str
    kafka: Object
    version: str
    image: str
    port: int
    pools: tuple[Pool, ...]
    zookeepers: tuple[Node, ...]
    config: Mapping[str, object] = field(default_factory=dict)
    metadata_version: str | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The Kafka nodes of all pools."""
        return tuple(node for pool in self.pools for node in pool.nodes)

    @property
    def component(self) -> str:
        """The strimzi.io/name of the Kafka nodes."""
        return f"{self.name}-kafka"


def read(kafka: Object, pools: Sequence[Object], images: Mapping[str, str]) -> Cluster:
    """Return what is asked for; `images` maps the Kafka versions that this release knows to the brokers' images.

    Raise RejectedError with what the real operator would say.
    """
    name, spec = kafka["metadata"]["name"], kafka["spec"]["kafka"]
    version = str(spec.get("version", max(images)))
    if version not in images:
        known = ", ".join(sorted(images))
        raise RejectedError(
            "UnsupportedKafkaVersionException",
            f"Unsupported Kafka.spec.kafka.version: {version}. Supported versions are: [{known}]",
        )
    zookeeper = kafka["spec"].get("zookeeper")
    own_pools = [p for p in pools if p["metadata"].get("labels", {}).get(CLUSTER_LABEL) == name]
    return Cluster(
        name=name,
        namespace=kafka["metadata"]["namespace"],
        kafka=kafka,
        version=version,
        image=images[version],
        port=_port(spec.get("listeners", [])),
        pools=_zookeeper_pool(kafka) if zookeeper else _node_pools(name, own_pools),
        zookeepers=_zookeepers(name, zookeeper) if zookeeper else (),
        config=spec.get("config", {}),
        metadata_version=spec.get("metadataVersion"),
    )


def _port(listeners: Sequence[Object]) -> int:
    for listener in listeners:
        if listener.get("type") == "internal" and not listener.get("tls") and "authentication" not in listener:
            return int(listener["port"])
    raise RejectedError(
        "InvalidResourceException", "the stand-in serves one internal listener without TLS; none is declared"
    )


def _volume(storage: Object) -> Volume:
    name = "data"
    if storage["type"] == "jbod":
        if len(storage["volumes"]) != 1:
            raise RejectedError("InvalidResourceException", "the stand-in gives a node one volume")
        storage = storage["volumes"][0]
        name = f"data-{storage['id']}"
    return Volume(name, storage.get("size"), storage.get("class"))


def _zookeeper_pool(kafka: Object) -> tuple[Pool, ...]:
    name, spec = kafka["metadata"]["name"], kafka["spec"]["kafka"]
    return (Pool("kafka", kafka, _nodes(name, "kafka", ("broker",), spec, range(int(spec["replicas"])))),)


def _zookeepers(cluster: str, spec: Object) -> tuple[Node, ...]:
    return _nodes(cluster, "zookeeper", (), spec, range(int(spec["replicas"])))


def _node_pools(cluster: str, pools: Sequence[Object]) -> tuple[Pool, ...]:
    if not pools:
        raise RejectedError(
            "InvalidConfigurationException", f"KRaft cluster {cluster} needs at least one KafkaNodePool"
        )
    made, next_id = [], 0
    for pool in sorted(pools, key=lambda p: str(p["metadata"]["name"])):
        spec, name = pool["spec"], pool["metadata"]["name"]
        ids = range(next_id, next_id + int(spec["replicas"]))
        made.append(Pool(name, pool, _nodes(cluster, name, tuple(spec["roles"]), spec, ids)))
        next_id = ids.stop
    return tuple(made)


def _nodes(cluster: str, pool: str, roles: tuple[str, ...], spec: Object, ids: range) -> tuple[Node, ...]:
    volume, template = _volume(spec["storage"]), spec.get("template", {}).get("pod", {})
    return tuple(
        Node(f"{cluster}-{pool}-{number}", number, pool, roles, volume, spec.get("resources", {}), template)
        for number in ids
    )
