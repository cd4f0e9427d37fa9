"""The pods of brokers and ZooKeeper nodes, their claims and the StrimziPodSets that own them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from testing.strimzi_standin import configuration
from testing.strimzi_standin.model import Cluster, Node
from testing.strimzi_standin.names import REVISION, Object, labels, owner, selector, thing

PROBE: Object = {"initialDelaySeconds": 1, "periodSeconds": 2, "timeoutSeconds": 5}
"""The real probes first look after 15 s and then every 10; a test need not wait as long."""


@dataclass(frozen=True)
class PodSet:
    """Nodes of one kind that live under one StrimziPodSet, with all that a pod is made from."""

    cluster: Cluster
    component: str
    pool: str
    nodes: tuple[Node, ...]
    owner: Object
    config: tuple[str, ...]
    """One text for each node: a change of it replaces the node's pod."""

    @property
    def name(self) -> str:
        """The StrimziPodSet's name."""
        return f"{self.cluster.name}-{self.pool}"

    @property
    def common(self) -> dict[str, str]:
        """The labels of the set and of its claims."""
        pool = {} if self.component == "zookeeper" else {"pool_name": self.pool}
        return labels(self.cluster.name, self.component, f"{self.cluster.name}-{self.component}", **pool)


def pod_sets(cluster: Cluster) -> list[PodSet]:
    """Return the sets in the order in which they have to be ready: ZooKeeper, then the Kafka pools."""
    sets = []
    if cluster.zookeepers:
        config = (configuration.zookeeper_config(cluster),) * len(cluster.zookeepers)
        sets.append(PodSet(cluster, "zookeeper", "zookeeper", cluster.zookeepers, cluster.kafka, config))
    for pool in cluster.pools:
        texts = tuple(configuration.server_properties(cluster, node) for node in pool.nodes)
        sets.append(PodSet(cluster, "kafka", pool.name, pool.nodes, pool.owner, texts))
    return sets


def claims(pods: PodSet) -> list[Object]:
    """Return the PersistentVolumeClaims: without an owner, since data outlive their cluster."""
    return [
        thing("PersistentVolumeClaim", _claim(node), pods.common, [], spec=_claim_spec(node))
        for node in pods.nodes
        if node.volume.size
    ]


def _claim(node: Node) -> str:
    return f"{node.volume.name}-{node.pod}"


def _claim_spec(node: Node) -> Object:
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": node.volume.size}}}
    return spec | ({"storageClassName": node.volume.storage_class} if node.volume.storage_class else {})


def pod_set(pods: PodSet, members: list[Object]) -> Object:
    """Return the StrimziPodSet, which lists its pods whole."""
    select = selector(pods.cluster.name, f"{pods.cluster.name}-{pods.component}")
    spec = {"selector": {"matchLabels": select}, "pods": members}
    return thing("StrimziPodSet", pods.name, pods.common, owner(pods.owner), spec=spec)


def pod(pods: PodSet, node: Node) -> Object:
    """Return the pod of one node, with the digest of everything that it was made from."""
    config = pods.config[pods.nodes.index(node)]
    body = thing("Pod", node.pod, _pod_labels(pods, node), [], spec=_pod_spec(pods, node))
    digest = hashlib.sha256((json.dumps(body, sort_keys=True) + config).encode()).hexdigest()[:8]
    body["metadata"]["annotations"] = {REVISION: digest}
    return body


def _pod_labels(pods: PodSet, node: Node) -> dict[str, str]:
    more = {"controller": "strimzipodset", "controller-name": pods.name, "pod-name": node.pod}
    zookeeper_era = {"statefulset.kubernetes.io/pod-name": node.pod} if pods.cluster.zookeepers else {}
    roles = {} if pods.component == "zookeeper" else {f"{role}-role": _flag(role in node.roles) for role in ROLES}
    return pods.common | zookeeper_era | {f"strimzi.io/{key}": value for key, value in (more | roles).items()}


ROLES = ("broker", "controller")


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _ports(pods: PodSet) -> list[Object]:
    named = {"tcp-clustering": 2888, "tcp-election": 3888, "tcp-clients": 2181}
    if pods.component == "kafka":
        own = {"tcp-kafkaagent": 8443, "tcp-ctrlplane": 9090, "tcp-replication": 9091}
        named = own | {"tcp-clients": pods.cluster.port}
    return [{"name": name, "containerPort": port} for name, port in named.items()]


def _container(pods: PodSet, node: Node) -> Object:
    kafka = pods.component == "kafka"
    live, ready = ("kafka_liveness", "kafka_readiness") if kafka else ("zookeeper_healthcheck", "zookeeper_healthcheck")
    data = f"/var/lib/kafka/{node.volume.name}" if kafka else "/var/lib/zookeeper"
    return {
        "name": pods.component,
        "image": pods.cluster.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"/opt/kafka/{pods.component}_run.sh"],
        "env": [{"name": "NODE_ID", "value": str(node.node_id)}],
        "ports": _ports(pods),
        "resources": node.resources,
        "livenessProbe": {"exec": {"command": [f"/opt/kafka/{live}.sh"]}, **PROBE, "initialDelaySeconds": 60},
        "readinessProbe": {"exec": {"command": [f"/opt/kafka/{ready}.sh"]}, **PROBE},
        "volumeMounts": [
            {"name": node.volume.name, "mountPath": data},
            {"name": "strimzi-tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the pod
            {"name": "config", "mountPath": "/opt/kafka/custom-config"},
        ],
    }


def _pod_spec(pods: PodSet, node: Node) -> Object:
    service = "kafka-brokers" if pods.component == "kafka" else "zookeeper-nodes"
    config = node.pod if pods.component == "kafka" else f"{pods.cluster.name}-zookeeper-config"
    claim: Object = {"persistentVolumeClaim": {"claimName": _claim(node)}} if node.volume.size else {"emptyDir": {}}
    template = node.pod_template
    return {
        "hostname": node.pod,
        "subdomain": f"{pods.cluster.name}-{service}",
        "serviceAccountName": f"{pods.cluster.name}-{pods.component}",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": template.get("terminationGracePeriodSeconds", 30),
        **({"securityContext": {"fsGroup": 0}} if node.volume.size else {}),
        **{key: template[key] for key in ("topologySpreadConstraints", "affinity", "tolerations") if key in template},
        "containers": [_container(pods, node)],
        "volumes": [
            {"name": node.volume.name, **claim},
            {"name": "strimzi-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "config", "configMap": {"name": config}},
        ],
    }
