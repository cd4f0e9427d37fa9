"""The values that the manifests are read into: what both runtimes, and the checks, know of the declared system.

Nothing here reads a file or talks to anything. Sizes are bytes, times are seconds, unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value is declared: a file as the reader would type it, and its line, from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class DnsAddress:
    """A name of the service-discovery table and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Resources:
    """Requests and limits of a container; CPU in millicores, memory in bytes; None where nothing is declared."""

    cpu_request_m: int | None = None
    cpu_limit_m: int | None = None
    memory_request: int | None = None
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class ExecProbe:
    """Healthy when the command ends with 0."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Healthy when GET answers 200 to 399; `port` is the container's port."""

    path: str
    port: int


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """Healthy when grpc.health.v1 answers SERVING for `service`."""

    port: int
    service: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe with Kubernetes' own defaults."""

    check: ExecProbe | HttpProbe | GrpcProbe
    initial_delay_s: int = 0
    period_s: int = 10
    timeout_s: int = 1
    failure_threshold: int = 3
    success_threshold: int = 1


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Where a variable's value comes from: a Secret of the workload's namespace, and the key in it."""

    secret: str
    key: str


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a workload; `env` is complete: ConfigMaps, Secrets and literal values resolved, in that order.

    A value taken from the pod itself (metadata.name) is kept as `$(POD_NAME)`; the runtime knows the name.
    """

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    ports: Mapping[str, int]
    """Port names to container ports."""
    resources: Resources = Resources()
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None
    from_secrets: Mapping[str, SecretKey] = field(default_factory=dict)
    """The variables of `env` whose value is a Secret's, so that a runtime can put the generated value in."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or a StatefulSet."""

    kind: str
    name: str
    namespace: str
    replicas: int
    labels: Mapping[str, str]
    """The labels of its pods, which Services select by."""
    containers: tuple[Container, ...]
    stop_grace_s: int
    source: Source


@dataclass(frozen=True, slots=True)
class Service:
    """A Kubernetes Service: a DNS name whose ports lead to the pods that carry its selector's labels."""

    name: str
    namespace: str
    selector: Mapping[str, str]
    ports: Mapping[int, int | str]
    """Service port to container port, by number or by name."""

    @property
    def host(self) -> str:
        """The full DNS name."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret as declared; values that hold a placeholder are replaced by the runtime before anything sees them."""

    name: str
    namespace: str
    values: Mapping[str, str]
    source: Source

    PLACEHOLDER = "change-me"

    @property
    def placeholders(self) -> frozenset[str]:
        """The keys whose value is a placeholder."""
        return frozenset(key for key, value in self.values.items() if self.PLACEHOLDER in value)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener of the Kafka cluster."""

    name: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class KafkaCluster:
    """The Kafka custom resource, with its node pools."""

    name: str
    namespace: str
    version: str
    brokers: int
    controllers: int
    """Dedicated KRaft controllers; 0 where the brokers are controllers too, or where ZooKeeper is used."""
    zookeeper_nodes: int
    """0 under KRaft."""
    listeners: tuple[Listener, ...]
    config: Mapping[str, str]
    """The broker configuration as declared, values as text."""
    broker_resources: Resources
    zookeeper_resources: Resources
    source: Source

    @property
    def bootstrap(self) -> DnsAddress:
        """The address of the service-discovery table."""
        plain = self.listeners[0]
        return DnsAddress(f"{self.name}-kafka-bootstrap.{self.namespace}.svc.cluster.local", plain.port)


@dataclass(frozen=True, slots=True)
class Topic:
    """A KafkaTopic custom resource; config values as text."""

    name: str
    namespace: str
    partitions: int
    replicas: int
    config: Mapping[str, str]
    source: Source


@dataclass(frozen=True, slots=True)
class StrimziRelease:
    """The operator release that a profile pins."""

    version: str
    commit: str
    namespace: str
    files: Mapping[str, str]
    """Install file's path at the commit to its sha256."""
    kubernetes_minimum: str = ""
    """The oldest Kubernetes it supports, as `1.25`."""
    kubernetes_version_override_from: str = ""
    """From this Kubernetes on its container needs STRIMZI_KUBERNETES_VERSION; empty: never."""


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL server of the system: a StatefulSet with its Secret and its Service, put together."""

    workload: Workload
    secret: Secret
    service: Service

    @property
    def name(self) -> str:
        """The StatefulSet's name, as `adder-postgres`."""
        return self.workload.name

    @property
    def user(self) -> str:
        """The declared user, who owns the database."""
        return self.secret.values["POSTGRES_USER"]

    @property
    def database(self) -> str:
        """The declared database."""
        return self.secret.values["POSTGRES_DB"]

    @property
    def address(self) -> DnsAddress:
        """The address of the service-discovery table."""
        return DnsAddress(self.service.host, next(iter(self.service.ports)))


@dataclass(frozen=True, slots=True)
class Topology:
    """One profile of the declared system."""

    profile: str
    namespaces: tuple[str, ...]
    strimzi: StrimziRelease
    kafka: KafkaCluster
    topics: tuple[Topic, ...]
    databases: tuple[Database, ...]
    services: tuple[Workload, ...]
    """The workloads that are ours: adder and totalizer."""
    secrets: tuple[Secret, ...]
    discovery: tuple[Service, ...]
    """Every Service with a DNS name, the databases' included; Kafka's bootstrap is `kafka.bootstrap`."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Field paths that one machine does not honour, each with its reason."""
