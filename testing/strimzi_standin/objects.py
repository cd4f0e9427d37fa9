"""Everything around the pods of a Kafka cluster: accounts, Services, configuration, policies, disruption budgets."""

from __future__ import annotations

from testing.strimzi_standin import configuration
from testing.strimzi_standin.model import Cluster
from testing.strimzi_standin.names import CLUSTER_LABEL, Object, labels, owner, selector, thing

KAFKA_PORTS = {"tcp-ctrlplane": 9090, "tcp-replication": 9091, "tcp-kafkaagent": 8443}
ZOOKEEPER_PORTS = {"tcp-clients": 2181, "tcp-clustering": 2888, "tcp-election": 3888}


def supporting(cluster: Cluster, cluster_id: str) -> list[Object]:
    """Return what has to exist before the first pod of `cluster`."""
    made = [*_accounts(cluster), *_kafka_services(cluster), *_kafka_configs(cluster, cluster_id)]
    made += [_kafka_policy(cluster), _budget(cluster, "kafka", len(cluster.nodes))]
    return made + (_zookeeper(cluster) if cluster.zookeepers else [])


def _labels(cluster: Cluster, component: str, **more: str) -> dict[str, str]:
    return labels(cluster.name, component, f"{cluster.name}-{component}", **more)


def _accounts(cluster: Cluster) -> list[Object]:
    return [
        thing("ServiceAccount", f"{cluster.name}-{c}", _labels(cluster, c), owner(cluster.kafka))
        for c in (("kafka", "zookeeper") if cluster.zookeepers else ("kafka",))
    ]


def _service(cluster: Cluster, component: str, suffix: str, ports: dict[str, int], headless: bool) -> Object:
    spec: Object = {
        "type": "ClusterIP",
        "selector": selector(cluster.name, f"{cluster.name}-{component}"),
        "ports": [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in ports.items()],
    }
    if headless:
        spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    name = f"{cluster.name}-{component}-{suffix}"
    return thing("Service", name, _labels(cluster, component), owner(cluster.kafka), spec=spec)


def _kafka_services(cluster: Cluster) -> list[Object]:
    ports = {"tcp-replication": 9091, "tcp-clients": cluster.port}
    bootstrap = _service(cluster, "kafka", "bootstrap", ports, headless=False)
    bootstrap["metadata"]["labels"]["strimzi.io/discovery"] = "true"
    if not cluster.zookeepers:
        bootstrap["spec"]["selector"]["strimzi.io/broker-role"] = "true"
    all_ports = KAFKA_PORTS | {"tcp-clients": cluster.port}
    return [bootstrap, _service(cluster, "kafka", "brokers", all_ports, headless=True)]


def _kafka_configs(cluster: Cluster, cluster_id: str) -> list[Object]:
    configs = []
    for pool in cluster.pools:
        for node in pool.nodes:
            texts = {"server.config": configuration.server_properties(cluster, node), "cluster.id": cluster_id}
            if cluster.metadata_version:
                texts["metadata.version"] = cluster.metadata_version
            its_labels = _labels(cluster, "kafka", pod_name=node.pod, pool_name=pool.name)
            configs.append(thing("ConfigMap", node.pod, its_labels, owner(pool.owner), data=texts))
    return configs


def _peer(name: str) -> Object:
    return {"podSelector": {"matchLabels": {"strimzi.io/name": name}}}


def _policy(cluster: Cluster, component: str, rules: list[tuple[int, list[Object]]]) -> Object:
    spec = {
        "podSelector": {"matchLabels": selector(cluster.name, f"{cluster.name}-{component}")},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"ports": [{"port": port, "protocol": "TCP"}], **({"from": peers} if peers else {})}
            for port, peers in rules
        ],
    }
    name = f"{cluster.name}-network-policy-{component}"
    return thing("NetworkPolicy", name, _labels(cluster, component), owner(cluster.kafka), spec=spec)


def _kafka_policy(cluster: Cluster) -> Object:
    operator: Object = {"podSelector": {"matchLabels": {"strimzi.io/kind": "cluster-operator"}}}
    brokers = {"podSelector": {"matchLabels": selector(cluster.name, cluster.component)}}
    entity = _peer(f"{cluster.name}-entity-operator")
    rules = [(9090, [brokers]), (9091, [operator, brokers, entity]), (8443, [operator]), (cluster.port, [])]
    return _policy(cluster, "kafka", rules)


def _budget(cluster: Cluster, component: str, nodes: int) -> Object:
    select = {"matchLabels": selector(cluster.name, f"{cluster.name}-{component}")}
    spec = {"minAvailable": max(nodes - 1, 0), "selector": select}
    name = f"{cluster.name}-{component}"
    return thing("PodDisruptionBudget", name, _labels(cluster, component), owner(cluster.kafka), spec=spec)


def _zookeeper(cluster: Cluster) -> list[Object]:
    nodes = {"podSelector": {"matchLabels": selector(cluster.name, f"{cluster.name}-zookeeper")}}
    operator: Object = {"podSelector": {"matchLabels": {"strimzi.io/kind": "cluster-operator"}}}
    clients = [_peer(cluster.component), nodes, _peer(f"{cluster.name}-entity-operator"), operator]
    config = {"zookeeper.config": configuration.zookeeper_config(cluster)}
    its_labels, owners = _labels(cluster, "zookeeper"), owner(cluster.kafka)
    return [
        _service(cluster, "zookeeper", "client", {"tcp-clients": 2181}, headless=False),
        _service(cluster, "zookeeper", "nodes", ZOOKEEPER_PORTS, headless=True),
        thing("ConfigMap", f"{cluster.name}-zookeeper-config", its_labels, owners, data=config),
        _policy(cluster, "zookeeper", [(2888, [nodes]), (3888, [nodes]), (2181, clients)]),
        _budget(cluster, "zookeeper", len(cluster.zookeepers)),
    ]


def cluster_selector(cluster: Cluster, pool: str) -> str:
    """Return the label selector that a KafkaNodePool's status shows."""
    pairs = [(CLUSTER_LABEL, cluster.name), ("strimzi.io/name", cluster.component), ("strimzi.io/kind", "Kafka")]
    return ",".join(f"{key}={value}" for key, value in [*pairs, ("strimzi.io/pool-name", pool)])
