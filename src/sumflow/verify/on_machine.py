"""The checks' view of a system that runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sumflow.audit import facts
from sumflow.audit.books import SystemBooks
from sumflow.client.endpoints import ADDER, TOTALIZER, Endpoints
from sumflow.errors import NotRunningError
from sumflow.local import checks, facade, postgres
from sumflow.local.datadir import DataDir
from sumflow.local.options import UpOptions
from sumflow.settings import Address
from sumflow.topology.model import Database, Topology
from sumflow.verify import broker, database, quorum
from sumflow.verify.check import CheckFailedError, NotApplicable
from sumflow.verify.database import pair
from sumflow.verify.target import Cluster, Commands, Echo, Quorum, Route, Session, TopicFacts

COMMANDS: Final = Commands(
    status="sumflow status",
    repair="sumflow down && sumflow up",
    audit="sumflow audit --deep",
    logs={"kafka": "sumflow logs kafka-0", "zookeeper": "sumflow logs zookeeper-0"}
    | {each: f"sumflow logs {each}" for each in ("relay", "totalizer", "adder-postgres", "totalizer-postgres")},
)
_ZOOKEEPER_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class MachineTarget:
    """A local system, looked at from outside: its declaration, its name table, its secrets, its ZooKeeper nodes."""

    topology: Topology
    names: Mapping[str, str]
    secrets: Mapping[tuple[str, str], Mapping[str, str]]
    zookeeper_nodes: Mapping[str, Address]
    commands: Commands = COMMANDS

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
        return {name: _srvr(address.port) for name, address in self.zookeeper_nodes.items()}

    def topic(self, name: str) -> TopicFacts:
        """Return a topic as the brokers have it."""
        return broker.topic(self.bootstrap, name)

    def echo(self, topic: str, value: bytes) -> Echo:
        """Send a probe and read it back."""
        return broker.echo(self.bootstrap, topic, value)

    def session(self, database_: Database) -> Session:
        """Connect with the kept secret."""
        address, password = self.door(database_)
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
        adder, totalizer = (database.login(*self.door(each), each.user, each.database) for each in pair(self.topology))
        return adder, totalizer

    def servers(self, home: DataDir) -> Sequence[postgres.Server]:
        """Return the running databases, with their directories in the system's."""
        doors = [(each, *self.door(each)) for each in self.topology.databases]
        return [
            postgres.Server(home.data(f"{each.name}-0"), address.port, each.user, password, each.database)
            for each, address, password in doors
        ]

    def door(self, declared: Database) -> tuple[Address, str]:
        """Return where a database is, and its password."""
        kept = self.secrets[declared.secret.namespace, declared.secret.name]
        return Address.parse(self.names[str(declared.address)]), kept["POSTGRES_PASSWORD"]

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap address here."""
        return self.names[str(self.topology.kafka.bootstrap)]


def _srvr(port: int) -> str:
    """Return a ZooKeeper node's answer to `srvr`; empty if it cannot be reached."""
    try:
        return checks.four_letters(b"srvr", port, _ZOOKEEPER_TIMEOUT_S).decode(errors="replace")
    except OSError:
        return ""


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
