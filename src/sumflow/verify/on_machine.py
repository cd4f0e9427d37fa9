"""The checks' view of a system that runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from sumflow.audit import facts
from sumflow.audit.books import SystemBooks
from sumflow.client.endpoints import ADDER, TOTALIZER, Endpoints
from sumflow.errors import NotRunningError
from sumflow.local import facade
from sumflow.local.options import UpOptions
from sumflow.settings import Address
from sumflow.topology.model import Database, Topology
from sumflow.verify import broker, database, quorum, zookeeper
from sumflow.verify.check import CheckFailedError, NotApplicable
from sumflow.verify.database import pair
from sumflow.verify.target import Cluster, Echo, Quorum, Route, Session, TopicFacts


@dataclass(frozen=True, slots=True)
class MachineTarget:
    """A local system, looked at from outside: its declaration, its name table, its secrets, its ZooKeeper nodes."""

    topology: Topology
    names: Mapping[str, str]
    secrets: Mapping[tuple[str, str], Mapping[str, str]]
    zookeeper_nodes: Mapping[str, Address]

    def namespaces(self) -> Sequence[str] | NotApplicable:
        """One machine has no namespaces."""
        return NotApplicable("one machine has no namespaces: the data directory keeps the system apart")

    def operator(self) -> str | NotApplicable:
        """One machine needs no operator."""
        return NotApplicable("SumFlow realises the Kafka custom resources itself on one machine")

    def cluster(self) -> Cluster:
        """Return the cluster's metadata, as a client sees it."""
        return broker.cluster(self.bootstrap)

    def quorum(self) -> Quorum:
        """Ask the first broker that can be reached."""
        problems = []
        for address in self.bootstrap.split(","):
            try:
                return quorum.describe(Address.parse(address))
            except OSError as error:
                problems.append(f"{address}: {error.strerror or error}")
        raise CheckFailedError("no broker answers", why="; ".join(problems))

    def zookeeper(self) -> Mapping[str, str]:
        """Ask every node."""
        return {name: zookeeper.ask(address) for name, address in self.zookeeper_nodes.items()}

    def topic(self, name: str) -> TopicFacts:
        """Return a topic as the brokers have it."""
        return broker.topic(self.bootstrap, name)

    def echo(self, topic: str, value: bytes) -> Echo:
        """Send a probe and read it back."""
        return broker.echo(self.bootstrap, topic, value)

    def session(self, database_: Database) -> Session:
        """Connect with the kept secret."""
        address, password = self._door(database_)
        return database.session(address, database_.user, password, database_.database)

    def endpoints(self) -> Endpoints:
        """Return the pipeline's local doors."""
        return Endpoints(Address.parse(self.names[ADDER]), f"http://{self.names[TOTALIZER]}")

    def routes(self) -> Sequence[Route]:
        """Try every local address of every name."""
        found = []
        for name, addresses in self.names.items():
            for address in addresses.split(","):
                parsed = Address.parse(address)
                found.append(Route(name, address, broker.reach(parsed.host, parsed.port)))
        return found

    def books(self) -> facts.Opened:
        """Open the books with the kept secrets."""
        return nullcontext(SystemBooks.of_servers(*self.logins(), self.bootstrap, self.topology.topics[0].name))

    def logins(self) -> tuple[str, str]:
        """Return the connection strings of the adder's and the totalizer's database, with the kept secrets."""
        adder, totalizer = (database.login(*self._door(each), each.user, each.database) for each in pair(self.topology))
        return adder, totalizer

    def _door(self, declared: Database) -> tuple[Address, str]:
        """Return where a database is, and its password."""
        kept = self.secrets[declared.secret.namespace, declared.secret.name]
        return Address.parse(self.names[str(declared.address)]), kept["POSTGRES_PASSWORD"]

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap address here."""
        return self.names[str(self.topology.kafka.bootstrap)]


def target(data_dir: Path, manifests: Path | None = None) -> MachineTarget:
    """Return the target of the system that runs from a data directory; raise NotRunningError if none does."""
    seen = facade.status_of(data_dir)
    options = UpOptions.of(seen.profile, data_dir=data_dir, manifests=manifests)
    nodes = {c.name: Address.parse(c.addresses[0]) for c in seen.components if c.name.startswith("zookeeper-")}
    names = facade.addresses(data_dir)
    if not names:
        raise NotRunningError(
            f"the system in {data_dir} is only starting", remedy="`sumflow status` shows how far it is"
        )
    return MachineTarget(options.topology(), names, facade.secrets(data_dir), nodes)
