"""The checks' view of a system on a cluster: through the API, and from inside its pods."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sumflow.audit import carried, facts
from sumflow.audit.books import SystemBooks
from sumflow.audit.records import Reading
from sumflow.client.endpoints import Endpoints
from sumflow.cluster import deployed, inside, metadata, streams
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Ref, meta, status
from sumflow.cluster.streams import Pod
from sumflow.database.queries import queries
from sumflow.errors import NotRunningError, SumflowError
from sumflow.settings import Address
from sumflow.sums.event import PROBE_HEADER
from sumflow.topology import addresses
from sumflow.topology.model import Database, Topology
from sumflow.verify import quorum, target
from sumflow.verify.check import CheckFailedError, NotApplicable
from sumflow.verify.database import login, pair
from sumflow.verify.target import Broker, Echo, Partition, Route, Session, TopicFacts

_POSTGRES_PORT: Final = 5432
_LOGIN_WITHIN_S: Final = 20
"""A forwarded connection is made by server, kubelet and runtime: on busy nodes that took longer than a server's 5 s."""
_LOGS: Final = {
    "kafka": "kubectl logs -n sumflow-kafka -l strimzi.io/broker-role=true --prefix",
    "zookeeper": "kubectl logs -n sumflow-kafka -l strimzi.io/name=sumflow-kafka-zookeeper --prefix",
    "relay": "kubectl logs -n sumflow -l app=adder -c relay --prefix",
    "totalizer": "kubectl logs -n sumflow -l app=totalizer --prefix",
    "adder-postgres": "kubectl logs -n sumflow adder-postgres-0",
    "totalizer-postgres": "kubectl logs -n sumflow totalizer-postgres-0",
}
_SETTING: Final = re.compile(r",(?=[a-z.]+=)")
_TOPIC_ID: Final = re.compile(r"\bTopicId: ?([\w-]{22})")


@dataclass(frozen=True, slots=True)
class ClusterTarget:
    """A deployed system.

    Args:
        reached: the cluster.
        topology: what is declared.
        doors: the pipeline's doors, forwarded to this machine.
        kafka_door: a broker's plain listener, forwarded to this machine.
    """

    reached: Cluster
    topology: Topology
    doors: Endpoints
    kafka_door: Address

    @property
    def commands(self) -> target.Commands:
        """Return what a person types; a repair names the profile, because another one would be refused."""
        return target.Commands(
            status="sumflow status --on kubernetes",
            repair=f"sumflow deploy --profile {self.topology.profile}",
            audit="sumflow audit --deep --on kubernetes",
            logs=_LOGS,
        )

    def namespaces(self) -> Sequence[str] | NotApplicable:
        """Return the names of all namespaces that are not on their way out."""
        found = self.reached.list(Ref("", "v1", "Namespace", "", ""))
        return [str(meta(each)["name"]) for each in found if status(each).get("phase") == "Active"]

    def operator(self) -> str | NotApplicable:
        """Say that the operator is available, and which release it is."""
        release = self.topology.strimzi
        found = self.reached.get(Ref("apps", "v1", "Deployment", release.namespace, "strimzi-cluster-operator"))
        available = int(status(found).get("availableReplicas", 0))
        if found is None or available < 1:
            raise CheckFailedError("no pod of the Deployment strimzi-cluster-operator is available")
        image = str(found["spec"]["template"]["spec"]["containers"][0]["image"])
        return f"{image}, {available} available"

    def cluster(self) -> target.Cluster:
        """Ask a broker for all, and try each from inside of a pod."""
        seen = metadata.ask(self.kafka_door)
        problems = inside.reach(self.reached, self._broker(), seen.addresses.values())
        brokers = [Broker(node, str(address), problems[address]) for node, address in sorted(seen.addresses.items())]
        return target.Cluster(brokers, seen.controller)

    def quorum(self) -> target.Quorum:
        """Ask a broker for the state of the quorum."""
        try:
            return quorum.describe(self.kafka_door)
        except OSError as error:
            raise CheckFailedError("no broker answers", why=str(error)) from error

    def zookeeper(self) -> Mapping[str, str]:
        """Ask every node, inside its own pod."""
        pods = deployed.pods(self.reached, self._kafka_namespace, self._strimzi_name("zookeeper"), "zookeeper")
        return {pod.name: inside.ask_zookeeper(self.reached, pod) for pod in pods}

    def topic(self, name: str) -> TopicFacts:
        """Ask with Kafka's own program, inside a broker's pod."""
        return parse_topic(inside.describe_topic(self.reached, self._broker(), self._bootstrap, name))

    def echo(self, topic: str, value: bytes) -> Echo:
        """Produce and consume with Kafka's own programs, inside a broker's pod."""
        text = value.decode()
        partition, offset = inside.echo(self.reached, self._broker(), self._bootstrap, topic, PROBE_HEADER, text)
        return Echo(partition, offset, value)

    def session(self, database: Database) -> Session:
        """Log in from the database's own pod, through its Service's name, with the password of the Secret."""
        pod = self._database_pod(database)
        kept = deployed.secret(self.reached, database.secret.namespace, database.secret.name)
        where = [
            "-h",
            database.address.host,
            "-p",
            str(database.address.port),
            "-U",
            database.user,
            "-d",
            database.database,
        ]
        sql = f"{queries('sumflow.verify').identity};"
        outcome = inside.psql(self.reached, pod, where, kept["POSTGRES_PASSWORD"], sql)
        if outcome.code:
            raise CheckFailedError(f"{database.name} refuses the user {database.user}", why=outcome.errors.strip())
        return Session(*outcome.output.strip().split("|"))

    def endpoints(self) -> Endpoints:
        """Return the forwarded doors; raise NotRunningError if nobody is behind one of them."""
        _look_behind_doors(self.reached)
        return self.doors

    def routes(self) -> Sequence[Route]:
        """Resolve and connect to every declared name, from inside a pod."""
        table = [Address(each.host, each.port) for each in addresses.declared(self.topology)]
        problems = inside.reach(self.reached, self._broker(), table)
        return [Route(str(each), "inside the cluster", problems[each]) for each in table]

    @contextlib.contextmanager
    def books(self) -> Iterator[SystemBooks]:
        """Forward both databases to this machine; brokers are asked inside a pod, where their names resolve."""
        topic = self.topology.topics[0].name
        with contextlib.ExitStack() as stack:
            adder, totalizer = (stack.enter_context(self._login(each)) for each in pair(self.topology))
            yield SystemBooks(
                adder,
                totalizer,
                topic,
                extents=lambda: self._extents(topic),
                identity=lambda: self._identity(topic),
                records=lambda held: self._records(topic, held),
            )

    @contextlib.contextmanager
    def _login(self, database: Database) -> Iterator[str]:
        kept = deployed.secret(self.reached, database.secret.namespace, database.secret.name)
        pod = self._database_pod(database)
        with streams.forwarded(self.reached, lambda: pod, _POSTGRES_PORT) as address:
            yield login(address, kept["POSTGRES_PASSWORD"], database.user, database.database, within_s=_LOGIN_WITHIN_S)

    def _extents(self, topic: str) -> dict[int, facts.Extent]:
        return inside.extents(self.reached, self._broker(), self._bootstrap, topic)

    def _identity(self, topic: str) -> UUID:
        described = inside.describe_topic(self.reached, self._broker(), self._bootstrap, topic)
        return parse_topic_id(described)

    @contextlib.contextmanager
    def _records(self, topic: str, held: Mapping[int, facts.Extent]) -> Iterator[Reading]:
        """Read the topic with a Kafka client in a pod of ours; it has what the processor has to spare there."""
        words = ["--bootstrap", self._bootstrap, topic, *carried.places(held)]
        with streams.conversation(self.reached, self._client_pod(), ["sumflow", "records", *words]) as there:
            yield carried.receive(there.say, there.hear)

    def _client_pod(self) -> Pod:
        """Return a pod with a Kafka client; it need not be ready: an audit is wanted when something is not."""
        for labels, container in (("app=totalizer", "totalizer"), ("app=adder", "relay")):
            for pod in deployed.running(self.reached, "sumflow", labels, container):
                return pod
        raise NotRunningError("no pod of a service runs, and from here no broker is reachable")

    def _database_pod(self, database: Database) -> Pod:
        pod = Pod(database.workload.namespace, f"{database.name}-0", database.workload.containers[0].name)
        return deployed.ready(self.reached, pod)

    def _broker(self) -> Pod:
        return deployed.ready_pod(self.reached, self._kafka_namespace, self._strimzi_name("kafka"), "kafka")

    def _strimzi_name(self, part: str) -> str:
        return f"strimzi.io/name={self.topology.kafka.name}-{part}"

    @property
    def _kafka_namespace(self) -> str:
        return self.topology.kafka.namespace

    @property
    def _bootstrap(self) -> str:
        return str(self.topology.kafka.bootstrap)


def parse_topic(described: str) -> TopicFacts:
    """Read what `kafka-topics.sh --describe` prints: a line of the topic, then one of each partition."""
    partitions: dict[int, Partition] = {}
    settings: dict[str, str] = {}
    for line in described.splitlines():
        fields = dict(_field(part) for part in line.strip().split("\t") if ":" in part)
        if "Configs" in fields:
            settings = dict(each.split("=", 1) for each in _SETTING.split(fields["Configs"]) if "=" in each)
        if "Partition" in fields:
            leader = int(fields["Leader"]) if fields["Leader"].lstrip("-").isdecimal() else -1
            partitions[int(fields["Partition"])] = Partition(leader, _ids(fields["Replicas"]), _ids(fields["Isr"]))
    return TopicFacts(partitions, settings)


def parse_topic_id(described: str) -> UUID:
    """Read the topic's identity from its first line: Kafka writes it in URL-safe base64, without the padding."""
    found = _TOPIC_ID.search(described)
    if found is None:
        raise SumflowError("the topic's id is not to be had", why=described.partition("\n")[0])
    return UUID(bytes=base64.urlsafe_b64decode(found[1] + "=="))


@contextlib.contextmanager
def opened(cluster: Cluster, topology: Topology) -> Iterator[ClusterTarget]:
    """Return the target of a deployed system, its doors forwarded as long as it is looked at."""
    with contextlib.ExitStack() as stack:
        # Without a look whether they are there: a missing service is a failed check, not the end of all checks.
        doors = stack.enter_context(_forwarded(cluster))
        namespace, name = topology.kafka.namespace, f"strimzi.io/name={topology.kafka.name}-kafka"

        def broker() -> Pod:
            return deployed.ready_pod(cluster, namespace, name, "kafka")

        port = topology.kafka.bootstrap.port
        yield ClusterTarget(cluster, topology, doors, stack.enter_context(streams.forwarded(cluster, broker, port)))


@contextlib.contextmanager
def endpoints(cluster: Cluster) -> Iterator[Endpoints]:
    """Forward the pipeline's two doors to free local ports; raise NotRunningError if one of them has no ready pod."""
    _look_behind_doors(cluster)
    with _forwarded(cluster) as doors:
        yield doors


def _look_behind_doors(cluster: Cluster) -> None:
    for find, _ in _DOORS:
        find(cluster)


@contextlib.contextmanager
def _forwarded(cluster: Cluster) -> Iterator[Endpoints]:
    (adder, grpc_port), (totalizer, http_port) = _DOORS
    with (
        streams.forwarded(cluster, lambda: adder(cluster), grpc_port) as grpc,
        streams.forwarded(cluster, lambda: totalizer(cluster), http_port) as rest,
    ):
        yield Endpoints(grpc, f"http://{rest}")


def _adder(cluster: Cluster) -> Pod:
    return deployed.ready_pod(cluster, "sumflow", "app=adder", "adder")


def _totalizer(cluster: Cluster) -> Pod:
    return deployed.ready_pod(cluster, "sumflow", "app=totalizer", "totalizer")


_DOORS: Final = ((_adder, 50051), (_totalizer, 8080))
"""How a door's pod is found, and its container's port."""


def _field(part: str) -> tuple[str, str]:
    name, _, value = part.partition(":")
    return name.strip(), value.strip()


def _ids(text: str) -> list[int]:
    return [int(each) for each in text.split(",") if each.strip()]
