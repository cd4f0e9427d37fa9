"""The entity operator's objects: the Deployment in which KafkaTopics become topics, and what it is allowed to do."""

from __future__ import annotations

from testing.strimzi_standin.model import Cluster
from testing.strimzi_standin.names import CLUSTER_LABEL, Object, labels, owner, selector, thing

ROLE_RULES: list[Object] = [
    {
        "apiGroups": ["kafka.strimzi.io"],
        "resources": ["kafkatopics", "kafkausers"],
        "verbs": ["get", "list", "watch", "create", "patch", "update"],
    },
    {
        "apiGroups": ["kafka.strimzi.io"],
        "resources": ["kafkatopics/status", "kafkausers/status"],
        "verbs": ["get", "patch", "update"],
    },
]
"""No more than the operator has itself: the API server lets nobody hand on a permission that they lack."""


def entity_operator(cluster: Cluster, image: str) -> list[Object]:
    """Return the entity operator of `cluster`; `image` is the operator's own."""
    name = f"{cluster.name}-entity-operator"
    its_labels, owners = labels(cluster.name, "entity-operator", name), owner(cluster.kafka)
    made = [
        thing("ServiceAccount", name, its_labels, owners),
        thing("Role", name, its_labels, owners, rules=ROLE_RULES),
        *(_role_binding(cluster, which) for which in ("topic", "user")),
        *(_config(cluster, which) for which in ("topic", "user")),
        _policy(cluster),
        thing("Deployment", name, its_labels, owners, spec=_deployment_spec(cluster, image)),
    ]
    return made if cluster.zookeepers else [*made, _budget(cluster)]


def _role_binding(cluster: Cluster, which: str) -> Object:
    name = f"{cluster.name}-entity-operator"
    return thing(
        "RoleBinding",
        f"{cluster.name}-entity-{which}-operator-role",
        labels(cluster.name, f"entity-{which}-operator", f"{cluster.name}-entity-{which}-operator"),
        owner(cluster.kafka),
        subjects=[{"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}],
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
    )


def _config(cluster: Cluster, which: str) -> Object:
    component = f"entity-{which}-operator"
    its_labels = labels(cluster.name, component, f"{cluster.name}-{component}")
    text = {"log4j2.properties": "rootLogger.level = INFO\n"}
    return thing("ConfigMap", f"{cluster.name}-{component}-config", its_labels, owner(cluster.kafka), data=text)


def _policy(cluster: Cluster) -> Object:
    name = f"{cluster.name}-entity-operator"
    spec = {
        "podSelector": {"matchLabels": selector(cluster.name, name)},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": port, "protocol": "TCP"}]} for port in (8080, 8081)],
    }
    its_labels = labels(cluster.name, "entity-operator", name)
    return thing("NetworkPolicy", name, its_labels, owner(cluster.kafka), spec=spec)


def _budget(cluster: Cluster) -> Object:
    name = f"{cluster.name}-entity-operator"
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(cluster.name, name)}}
    its_labels = labels(cluster.name, "entity-operator", name)
    return thing("PodDisruptionBudget", name, its_labels, owner(cluster.kafka), spec=spec)


def _deployment_spec(cluster: Cluster, image: str) -> Object:
    name = f"{cluster.name}-entity-operator"
    containers = [_container(cluster, "topic", 8080, image), _container(cluster, "user", 8081, image)]
    return {
        "replicas": 1,
        "selector": {"matchLabels": selector(cluster.name, name)},
        "template": {
            "metadata": {"labels": labels(cluster.name, "entity-operator", name)},
            "spec": {
                "serviceAccountName": name,
                "containers": containers,
                "volumes": [{"name": "strimzi-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "5Mi"}}],
            },
        },
    }


def _container(cluster: Cluster, which: str, port: int, image: str) -> Object:
    port_name = "healthcheck" if cluster.zookeepers else f"healthcheck-{which[0]}o"
    environment = {
        "STRIMZI_NAMESPACE": cluster.namespace,
        "STRIMZI_RESOURCE_LABELS": f"{CLUSTER_LABEL}={cluster.name}",
        "STRIMZI_KAFKA_BOOTSTRAP_SERVERS": f"{cluster.component}-bootstrap:9091",
        "STANDIN_API_VERSION": cluster.kafka["apiVersion"],
        "STANDIN_HEALTH_PORT": str(port),
    }
    probe = {"initialDelaySeconds": 1, "periodSeconds": 2, "timeoutSeconds": 5}
    return {
        "name": f"{which}-operator",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"/opt/strimzi/bin/{which}_operator_run.sh"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": [{"name": port_name, "containerPort": port, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"path": "/healthy", "port": port_name}, **probe, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": port_name}, **probe},
        "volumeMounts": [{"name": "strimzi-tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path in the pod
    }
