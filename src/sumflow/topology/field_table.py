"""The table of manifest fields: each kind, each field, and what one machine makes of it. Data only; `fields` uses it.

A pattern's `[]` stands for every item of a list and `*` for any key.
"""

from __future__ import annotations

from sumflow.topology.pod_fields import DEPLOYMENT, RESOURCES, SPREAD, STATEFUL_SET
from sumflow.topology.rules import DIRECTORIES, METADATA, NO_API, Kind, below, honoured, ignored

KAFKA_LISTENERS = (
    honoured("its port, mapped to a local port of each broker", "listeners[].name", "listeners[].port")
    | honoured("internal is required", "listeners[].type")
    | honoured("false is required", "listeners[].tls")
)

KAFKA_STORAGE = ignored(DIRECTORIES, "storage.type", "storage.size", "storage.class", "storage.deleteClaim")

ENTITY_OPERATORS = ignored(
    "topics are made by SumFlow itself here, and there are no users",
    "spec.entityOperator.topicOperator",
    "spec.entityOperator.userOperator",
)

KAFKA = (
    METADATA
    | honoured("this release of Apache Kafka is run", "spec.kafka.version")
    | below("spec.kafka.", KAFKA_LISTENERS)
    | honoured("written to each broker's properties", "spec.kafka.config.*")
    | ENTITY_OPERATORS
)

KAFKA_ZOOKEEPER = (
    KAFKA
    | honoured("so many brokers", "spec.kafka.replicas")
    | below("spec.kafka.", KAFKA_STORAGE)
    | below("spec.kafka.resources.", RESOURCES)
    | honoured("so many ZooKeeper nodes", "spec.zookeeper.replicas")
    | below("spec.zookeeper.", KAFKA_STORAGE)
    | below("spec.zookeeper.resources.", RESOURCES)
)

KAFKA_KRAFT = KAFKA | ignored(
    "a new cluster starts with its release's own metadata version", "spec.kafka.metadataVersion"
)

NODE_POOL = (
    METADATA
    | honoured("so many nodes", "spec.replicas")
    | honoured("each node is started as controller, broker or both", "spec.roles[]")
    | ignored(DIRECTORIES, "spec.storage.type")
    | below(
        "spec.storage.volumes[].",
        ignored(DIRECTORIES, "id", "type", "size", "class", "deleteClaim", "kraftMetadata"),
    )
    | below("spec.resources.", RESOURCES)
    | below("spec.template.pod.", SPREAD)
)

TOPIC = (
    METADATA
    | honoured("the topic's name, where it is not the object's", "spec.topicName")
    | honoured("so many partitions, each so many times", "spec.partitions", "spec.replicas")
    | honoured("the topic's configuration", "spec.config.*")
)

SERVICE = (
    METADATA
    | ignored("every Service is reachable at 127.0.0.1", "spec.type")
    | honoured("the pods that its DNS name leads to", "spec.selector.*")
    | honoured("DNS name and port are mapped to a local port", "spec.ports[].port", "spec.ports[].targetPort")
    | ignored("ports are found by number", "spec.ports[].name")
)

NO_SCALING = "the declared replicas are run; one machine has no second one to scale out to"

KINDS = (
    Kind("Namespace", "v1", METADATA),
    Kind(
        "Secret",
        "v1",
        METADATA
        | honoured("read by name; a value with `change-me` is replaced by a generated one", "stringData.*")
        | ignored("all Secrets are kept alike, in files of mode 0600", "type"),
    ),
    Kind("ConfigMap", "v1", METADATA | honoured("read by name", "data.*")),
    Kind("ServiceAccount", "v1", METADATA | ignored(NO_API, "automountServiceAccountToken")),
    Kind(
        "PersistentVolumeClaim",
        "v1",
        METADATA | ignored(DIRECTORIES, "spec.accessModes[]", "spec.resources.requests.storage"),
    ),
    Kind("Service", "v1", SERVICE),
    Kind("StatefulSet", "apps/v1", STATEFUL_SET),
    Kind("Deployment", "apps/v1", DEPLOYMENT),
    Kind(
        "PodDisruptionBudget",
        "policy/v1",
        METADATA | ignored("no node is ever drained here", "spec.maxUnavailable", "spec.selector.matchLabels.*"),
    ),
    Kind(
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        METADATA
        | ignored(
            NO_SCALING,
            "spec.scaleTargetRef.apiVersion",
            "spec.scaleTargetRef.kind",
            "spec.scaleTargetRef.name",
            "spec.minReplicas",
            "spec.maxReplicas",
            "spec.metrics[].type",
            "spec.metrics[].resource.name",
            "spec.metrics[].resource.target.type",
            "spec.metrics[].resource.target.averageUtilization",
        ),
    ),
    Kind("Kafka", "kafka.strimzi.io/v1beta2", KAFKA_ZOOKEEPER),
    Kind("Kafka", "kafka.strimzi.io/v1", KAFKA_KRAFT),
    Kind("KafkaNodePool", "kafka.strimzi.io/v1", NODE_POOL),
    Kind("KafkaTopic", "kafka.strimzi.io/v1beta2", TOPIC),
    Kind("KafkaTopic", "kafka.strimzi.io/v1", TOPIC),
)
