"""A target whose facts a test sets: as declared by the profile `spec`, until a test changes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sumflow import topology
from sumflow.audit.facts import Accepted, Counted, Cut, Extent
from sumflow.audit.findings import Report
from sumflow.client.endpoints import Endpoints
from sumflow.settings import Address
from sumflow.sums.totals import Tally
from sumflow.topology.model import Database, Topology
from sumflow.verify.check import NotApplicable
from sumflow.verify.on_machine import COMMANDS
from sumflow.verify.target import Broker, Cluster, Commands, Echo, Partition, Quorum, Route, Session, TopicFacts

LEADER = "Zookeeper version: 3.8.3\nLatency min/avg/max: 0/0.0/0\nMode: leader\nNode count: 5\n"
FOLLOWER = LEADER.replace("leader", "follower")


def declared_topic(declared: Topology, name: str) -> TopicFacts:
    """Return a topic exactly as it is declared."""
    (topic,) = (topic for topic in declared.topics if topic.name == name)
    nodes = list(range(topic.replicas))
    return TopicFacts({number: Partition(0, nodes, nodes) for number in range(topic.partitions)}, dict(topic.config))


LANE = UUID(int=7)
CLEAN = Cut(
    accepted={LANE: Accepted(1, 41, 41, 41, 820, 0)}, counted={LANE: Counted(41, 41, 820)}, total=Tally(41, 820)
)


@dataclass
class FakeBooks:
    """Books that say what a test set."""

    read: Cut
    events: Report = field(default_factory=Report)
    adder: str = ""
    totalizer: str = ""
    topic: str = "sums"
    extents: Callable[[], Mapping[int, Extent]] = dict
    identity: Callable[[], UUID] = uuid4

    def cut(self) -> Cut:
        """Return what the test set."""
        return self.read

    def deep(self, progress: Callable[[int], None]) -> Report:
        """Return what the test set."""
        progress(0)
        return self.events

    def occurrences(self, first: int, last: int) -> Mapping[int, int]:
        """Have no events."""
        del first, last
        return {}


@dataclass
class FakeTarget:
    """A system in which everything is as declared."""

    profile: str = "spec"
    commands: Commands = COMMANDS
    all_namespaces: Sequence[str] | NotApplicable = ("default", "sumflow", "sumflow-kafka", "sumflow-monitoring")
    brokers: list[Broker] = field(default_factory=list)
    controller: int = 0
    kraft: Quorum = field(default_factory=lambda: Quorum(0, 4, 90, {0: 90, 1: 90, 2: 88}))
    nodes: dict[str, str] = field(
        default_factory=lambda: {"zookeeper-0": FOLLOWER, "zookeeper-1": LEADER, "zookeeper-2": FOLLOWER}
    )
    topics: dict[str, TopicFacts] = field(default_factory=dict)
    spoil_echo: bool = False
    version: str = "16.14"
    unarchived: str = ""
    route_problem: str | None = None
    both: Cut = CLEAN
    doors: Endpoints = field(default_factory=lambda: Endpoints(Address("127.0.0.1", 1), "http://127.0.0.1:1"))

    def __post_init__(self) -> None:
        self.topology = topology.load(self.profile)
        self.brokers = [Broker(i, f"127.0.0.1:{9092 + i}", None) for i in range(self.topology.kafka.brokers)]

    def namespaces(self) -> Sequence[str] | NotApplicable:
        """Return what the test set."""
        return self.all_namespaces

    def operator(self) -> str | NotApplicable:
        """Return a pod's state."""
        return "strimzi-cluster-operator-1 is Running"

    def cluster(self) -> Cluster:
        """Return what the test set."""
        return Cluster(self.brokers, self.controller)

    def quorum(self) -> Quorum:
        """Return what the test set."""
        return self.kraft

    def zookeeper(self) -> Mapping[str, str]:
        """Return what the test set."""
        return self.nodes

    def topic(self, name: str) -> TopicFacts:
        """Return what the test set, or the topic as declared."""
        return self.topics.get(name) or declared_topic(self.topology, name)

    def echo(self, topic: str, value: bytes) -> Echo:
        """Return the message, or another one."""
        return Echo(3, 41, b"another" if self.spoil_echo else value)

    def session(self, database: Database) -> Session:
        """Answer as the declared user's session."""
        return Session(database.user, database.database, self.version, self.unarchived)

    def endpoints(self) -> Endpoints:
        """Return what the test set."""
        return self.doors

    def routes(self) -> Sequence[Route]:
        """Return one route."""
        return [Route("adder.sumflow.svc.cluster.local:50051", "127.0.0.1:50051", self.route_problem)]

    @contextmanager
    def books(self) -> Iterator[FakeBooks]:
        """Open what the test set."""
        yield FakeBooks(self.both)
