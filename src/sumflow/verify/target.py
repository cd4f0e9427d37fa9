"""What the checks ask of a running system, whichever runtime it runs on: facts, and one message there and back.

A method that has nothing to look at returns NotApplicable with the reason; one that cannot look raises SumflowError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sumflow.audit import facts
from sumflow.client.endpoints import Endpoints
from sumflow.topology.model import Database, Topology
from sumflow.verify.check import NotApplicable


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker as the cluster's metadata has it; `problem` says why it cannot be reached, None if it can."""

    id: int
    address: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The Kafka cluster's metadata; `controller` is a broker's id, -1 if there is none."""

    brokers: Sequence[Broker]
    controller: int


@dataclass(frozen=True, slots=True)
class Quorum:
    """The KRaft metadata quorum; voters map a node's id to its log end offset."""

    leader: int
    epoch: int
    high_watermark: int
    voters: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: its leader (-1 if none), and the ids of its replicas and of those in sync."""

    leader: int
    replicas: Sequence[int]
    in_sync: Sequence[int]


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the brokers have it; config values as text, defaults included."""

    partitions: Mapping[int, Partition]
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Echo:
    """Where a message was stored, and what was read back from there."""

    partition: int
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """What a database says of a session: its user, its database and its server's version, as `16.14`.

    `unarchived` says what of its WAL cannot be archived; empty if nothing waits.
    """

    user: str
    database: str
    version: str
    unarchived: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A name of the service-discovery table, where it leads here, and why nobody listens there; None if one does."""

    name: str
    address: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Commands:
    """What a person types to look closer, in the runtime that the system runs on.

    Args:
        status: shows every part.
        repair: brings what drifted back to what is declared.
        audit: names the events that differ.
        logs: show what a component says, by its name: kafka, zookeeper, relay, totalizer, or a database's.
    """

    status: str
    repair: str
    audit: str
    logs: Mapping[str, str]


class Target(Protocol):
    """A running system."""

    @property
    def topology(self) -> Topology:
        """What is declared."""

    @property
    def commands(self) -> Commands:
        """What a person types to look closer."""

    def namespaces(self) -> Sequence[str] | NotApplicable:
        """Return the names of all namespaces."""

    def operator(self) -> str | NotApplicable:
        """Return what says that the Strimzi operator runs; raise CheckFailedError if it does not."""

    def cluster(self) -> Cluster:
        """Return the Kafka cluster's metadata."""

    def quorum(self) -> Quorum:
        """Return the state of the KRaft quorum."""

    def zookeeper(self) -> Mapping[str, str]:
        """Return each ZooKeeper node's answer to `srvr`, by the node's name; an unreachable node's is empty."""

    def topic(self, name: str) -> TopicFacts:
        """Return a topic's description; raise CheckFailedError if it does not exist."""

    def echo(self, topic: str, value: bytes) -> Echo:
        """Produce a probe (event.PROBE_HEADER) to a topic and read it back from its own offset."""

    def session(self, database: Database) -> Session:
        """Connect as the declared user and ask the server who and what it is."""

    def endpoints(self) -> Endpoints:
        """Return the pipeline's doors."""

    def routes(self) -> Sequence[Route]:
        """Try every name of the service-discovery table."""

    def books(self) -> facts.Opened:
        """Open the books of both services, for an audit."""
