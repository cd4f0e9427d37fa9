"""The table of manifest fields: each kind, each field, and what one machine makes of it. Data only; `fields` uses it.

A pattern's `[]` stands for every item of a list and `*` for any key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether one machine honours a field, and how, or why not."""

    honoured: bool
    how: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, in one API version, with the fields that may be declared."""

    name: str
    api_version: str
    fields: Mapping[str, Rule]


Fields = dict[str, Rule]


def _honoured(how: str, *patterns: str) -> Fields:
    return dict.fromkeys(patterns, Rule(True, how))


def _ignored(reason: str, *patterns: str) -> Fields:
    return dict.fromkeys(patterns, Rule(False, reason))


def _below(prefix: str, fields: Fields) -> Fields:
    return {f"{prefix}{pattern}": rule for pattern, rule in fields.items()}


ONE_USER = "processes run as the user who typed `sumflow up`, who has no more rights than before"
NO_LIMITS = (
    "shown and checked; one machine does not fence its processes in, and sizes heaps and buffers small by itself"
)
NO_SCHEDULER = "there is one machine to run on"
NO_API = "there is no Kubernetes API whose token could be mounted"
DIRECTORIES = "data are directories below the data directory, as large as the disk"

METADATA = (
    _honoured("tells objects apart, refers to them", "apiVersion", "kind", "metadata.name")
    | _honoured("part of DNS names and references", "metadata.namespace")
    | _honoured("matched by selectors", "metadata.labels.*")
)

RESOURCES = _ignored(NO_LIMITS, "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")

PROBE = (
    _honoured("the command is run against the process; 0 is healthy", "exec.command[]")
    | _honoured("GET is sent to the process's local port; 200 to 399 is healthy", "httpGet.path", "httpGet.port")
    | _honoured("grpc.health.v1 is asked on the local port", "grpc.port", "grpc.service")
    | _ignored("one machine asks at once and often while a person waits", "initialDelaySeconds", "periodSeconds")
    | _ignored("one machine has its own patience, sized for a person who waits", "timeoutSeconds")
    | _ignored("one machine counts no failures: it shows each", "failureThreshold", "successThreshold")
)

CONTAINER = (
    _honoured("the component's name, also in logs", "name")
    | _honoured("chooses the program: PostgreSQL of the tag's major version, or SumFlow's own services", "image")
    | _honoured("the program and its arguments", "command[]", "args[]")
    | _ignored("programs come from package registries, locked and verified; there are no images", "imagePullPolicy")
    | _honoured("mapped to local ports", "ports[].name", "ports[].containerPort")
    | _ignored("TCP is all that is spoken here", "ports[].protocol")
    | _honoured("the environment", "env[].name", "env[].value", "env[].valueFrom.fieldRef.fieldPath")
    | _honoured("the environment, before `env`", "envFrom[].configMapRef.name", "envFrom[].secretRef.name")
    | _below("resources.", RESOURCES)
    | _ignored(
        ONE_USER,
        "securityContext.allowPrivilegeEscalation",
        "securityContext.readOnlyRootFilesystem",
        "securityContext.capabilities.drop[]",
    )
    | _ignored(DIRECTORIES, "volumeMounts[].name", "volumeMounts[].mountPath")
    | _below("startupProbe.", PROBE)
    | _below("readinessProbe.", PROBE)
    | _below("livenessProbe.", PROBE)
)

SPREAD = _ignored(
    NO_SCHEDULER,
    "topologySpreadConstraints[].maxSkew",
    "topologySpreadConstraints[].topologyKey",
    "topologySpreadConstraints[].whenUnsatisfiable",
    "topologySpreadConstraints[].labelSelector.matchLabels.*",
)

POD = (
    _below("containers[].", CONTAINER)
    | _honoured("a process that has not stopped by then is killed", "terminationGracePeriodSeconds")
    | _ignored(NO_API, "serviceAccountName", "automountServiceAccountToken")
    | _honoured("only what is declared reaches the environment", "enableServiceLinks")
    | _ignored(
        ONE_USER,
        "securityContext.runAsNonRoot",
        "securityContext.runAsUser",
        "securityContext.runAsGroup",
        "securityContext.fsGroup",
        "securityContext.fsGroupChangePolicy",
        "securityContext.seccompProfile.type",
    )
    | SPREAD
    | _ignored(
        DIRECTORIES,
        "volumes[].name",
        "volumes[].persistentVolumeClaim.claimName",
        "volumes[].emptyDir",
        "volumes[].emptyDir.sizeLimit",
    )
)

WORKLOAD = (
    METADATA
    | _honoured("so many processes", "spec.replicas")
    | _honoured("must match the template's labels", "spec.selector.matchLabels.*")
    | _honoured("matched by Services' selectors", "spec.template.metadata.labels.*")
    | _below("spec.template.spec.", POD)
)

KAFKA_LISTENERS = (
    _honoured("its port, mapped to a local port of each broker", "listeners[].name", "listeners[].port")
    | _honoured("internal is required", "listeners[].type")
    | _honoured("read; false is what is realised", "listeners[].tls")
)

KAFKA_STORAGE = _ignored(DIRECTORIES, "storage.type", "storage.size", "storage.class", "storage.deleteClaim")

ENTITY_OPERATORS = _ignored(
    "topics are made by SumFlow itself here, and there are no users",
    "spec.entityOperator.topicOperator",
    "spec.entityOperator.userOperator",
)

KAFKA = (
    METADATA
    | _honoured("this release of Apache Kafka is run", "spec.kafka.version")
    | _below("spec.kafka.", KAFKA_LISTENERS)
    | _honoured("written to each broker's properties", "spec.kafka.config.*")
    | ENTITY_OPERATORS
)

KAFKA_ZOOKEEPER = (
    KAFKA
    | _honoured("so many brokers", "spec.kafka.replicas")
    | _below("spec.kafka.", KAFKA_STORAGE)
    | _below("spec.kafka.resources.", RESOURCES)
    | _honoured("so many ZooKeeper nodes", "spec.zookeeper.replicas")
    | _below("spec.zookeeper.", KAFKA_STORAGE)
    | _below("spec.zookeeper.resources.", RESOURCES)
)

KAFKA_KRAFT = KAFKA | _ignored(
    "a new cluster starts with its release's own metadata version", "spec.kafka.metadataVersion"
)

NODE_POOL = (
    METADATA
    | _honoured("so many nodes", "spec.replicas")
    | _honoured("each node is started as controller, broker or both", "spec.roles[]")
    | _ignored(DIRECTORIES, "spec.storage.type")
    | _below(
        "spec.storage.volumes[].",
        _ignored(DIRECTORIES, "id", "type", "size", "class", "deleteClaim", "kraftMetadata"),
    )
    | _below("spec.resources.", RESOURCES)
    | _below("spec.template.pod.", SPREAD)
)

TOPIC = (
    METADATA
    | _honoured("the topic's name, where it is not the object's", "spec.topicName")
    | _honoured("so many partitions, each so many times", "spec.partitions", "spec.replicas")
    | _honoured("the topic's configuration", "spec.config.*")
)

SERVICE = (
    METADATA
    | _ignored("every Service is reachable at 127.0.0.1", "spec.type")
    | _honoured("the pods that its DNS name leads to", "spec.selector.*")
    | _honoured("DNS name and port are mapped to a local port", "spec.ports[].port", "spec.ports[].targetPort")
    | _ignored("ports are found by number", "spec.ports[].name")
)

NO_REPLACING = "processes are stopped and started, not replaced while they serve"
NO_SCALING = "the declared replicas are run; one machine has no second one to scale out to"

KINDS = (
    Kind("Namespace", "v1", METADATA),
    Kind(
        "Secret",
        "v1",
        METADATA
        | _honoured("read by name; a value with `change-me` is replaced by a generated one", "stringData.*")
        | _ignored("all Secrets are kept alike, in files of mode 0600", "type"),
    ),
    Kind("ConfigMap", "v1", METADATA | _honoured("read by name", "data.*")),
    Kind("ServiceAccount", "v1", METADATA | _ignored(NO_API, "automountServiceAccountToken")),
    Kind(
        "PersistentVolumeClaim",
        "v1",
        METADATA | _ignored(DIRECTORIES, "spec.accessModes[]", "spec.resources.requests.storage"),
    ),
    Kind("Service", "v1", SERVICE),
    Kind(
        "StatefulSet",
        "apps/v1",
        WORKLOAD | _honoured("the Service whose DNS name leads to it", "spec.serviceName"),
    ),
    Kind(
        "Deployment",
        "apps/v1",
        WORKLOAD
        | _ignored(
            NO_REPLACING,
            "spec.strategy.type",
            "spec.strategy.rollingUpdate.maxUnavailable",
            "spec.strategy.rollingUpdate.maxSurge",
        ),
    ),
    Kind(
        "PodDisruptionBudget",
        "policy/v1",
        METADATA | _ignored("no node is ever drained here", "spec.maxUnavailable", "spec.selector.matchLabels.*"),
    ),
    Kind(
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        METADATA
        | _ignored(
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
