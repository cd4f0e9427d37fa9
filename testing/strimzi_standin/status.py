"""The status that a custom resource shows: what `kubectl wait`, the deployment and the checks read."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from testing.strimzi_standin.model import Cluster
from testing.strimzi_standin.names import Object
from testing.strimzi_standin.objects import cluster_selector


def condition(kind: str, value: bool = True, reason: str = "", message: str = "") -> Object:
    """Return a condition as of now."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    words = {"reason": reason, "message": message} if reason else {}
    return {"type": kind, "status": str(value), "lastTransitionTime": now, **words}


def differs(current: Mapping[str, object] | None, wanted: Mapping[str, object]) -> bool:
    """Say whether `wanted` changes anything but the time of a condition."""
    now = current or {}
    return any(_timeless(now.get(key)) != _timeless(value) for key, value in wanted.items())


def _timeless(value: object) -> object:
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key != "lastTransitionTime"}
    return value


def creating() -> Object:
    """Return the first status of a new Kafka object."""
    return {"conditions": [condition("NotReady", reason="Creating", message="Kafka cluster is being deployed")]}


def paused(kafka: Object) -> Object:
    """Return the status of a Kafka object that is left alone: all that it was read with goes, but the cluster's id."""
    now = kafka.get("status") or {}
    return {
        "clusterId": now.get("clusterId"),
        "conditions": [condition("ReconciliationPaused")],
        "observedGeneration": now.get("observedGeneration", 0),
    }


def rejected(kafka: Object, reason: str, message: str) -> Object:
    """Return the status of a Kafka object that cannot be realised."""
    generation = kafka["metadata"]["generation"]
    return {"conditions": [condition("NotReady", reason=reason, message=message)], "observedGeneration": generation}


def ready(cluster: Cluster, cluster_id: str, release: str) -> Object:
    """Return the status of a Kafka object whose brokers and entity operator are ready."""
    address = f"{cluster.component}-bootstrap.{cluster.namespace}.svc"
    listener = {
        "name": "plain",
        "addresses": [{"host": address, "port": cluster.port}],
        "bootstrapServers": f"{address}:{cluster.port}",
    }
    era: Object = {"kafkaMetadataState": "ZooKeeper", "registeredNodeIds": [node.node_id for node in cluster.nodes]}
    if not cluster.zookeepers:
        pools = [{"name": pool.name} for pool in cluster.pools]
        era = {"kafkaMetadataVersion": cluster.metadata_version or "", "kafkaNodePools": pools}
    return {
        "clusterId": cluster_id,
        "conditions": [condition("Ready")],
        "kafkaVersion": cluster.version,
        "listeners": [listener],
        "observedGeneration": cluster.kafka["metadata"]["generation"],
        "operatorLastSuccessfulVersion": release,
        **era,
    }


def node_pools(cluster: Cluster, cluster_id: str) -> dict[str, Object]:
    """Return the status of each KafkaNodePool."""
    return {
        pool.name: {
            "clusterId": cluster_id,
            "conditions": [],
            "labelSelector": cluster_selector(cluster, pool.name),
            "nodeIds": [node.node_id for node in pool.nodes],
            "observedGeneration": pool.owner["metadata"]["generation"],
            "replicas": len(pool.nodes),
            "roles": list(pool.nodes[0].roles) if pool.nodes else [],
        }
        for pool in cluster.pools
        if pool.owner["kind"] == "KafkaNodePool"
    }
