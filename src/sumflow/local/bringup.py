"""The bring-up of one machine as a list of steps, in the order of the specification.

What each step starts is planned before; here it is prepared, started and waited for.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from confluent_kafka.admin import AdminClient

from sumflow import steps
from sumflow.errors import StepError, SumflowError
from sumflow.local import archive, jars, java, jvm, kafka, plan, postgres, process, topics
from sumflow.local.datadir import DataDir
from sumflow.local.lifecycle import Life, Phase
from sumflow.settings import CommandSettings
from sumflow.telemetry.health import HALTED
from sumflow.topology.model import KafkaCluster, Topology

PROGRAMS = "programs"
_LEAST_LIMIT_S = 120.0
_HOPELESS_AFTER = 3
"""Crashes in a row, without ever having been ready, after which a bring-up gives up."""


def new_cluster_id() -> str:
    """Return an id for a new Kafka cluster; a dash in front would read as an option of Kafka's tools."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")


@dataclass(slots=True)
class Programs:
    """Makes sure of Java, Kafka's jars and the class archive: the step that needs the network, once."""

    settings: CommandSettings
    cluster: KafkaCluster
    cache: Path
    reporter: steps.Reporter
    jvm: jvm.Jvm | None = None
    note: str = ""

    def step(self) -> steps.Step:
        """Return the step."""
        return steps.Step(PROGRAMS, self._obtain, lambda: steps.Ready(self.note), 1.0)

    def _obtain(self) -> None:
        began = time.monotonic()
        lock = jars.load_lock(self.cluster.version)
        found = java.find(self.settings)

        def tell(have: int, of: int) -> None:
            said = f"Kafka {lock.kafka}: {have >> 20} of {of >> 20} MiB"
            self.reporter.waiting(PROGRAMS, said, time.monotonic() - began)

        plain = jvm.Jvm(found, jars.ensure(self.cache, lock, tell))
        self.note = f"Kafka {lock.kafka} on Java {found.version} ({found.origin})"
        if not archive.path(self.cache, plain, self.cluster).exists():
            said = "a class archive is made, once, so that Kafka starts faster from now on"
            self.reporter.waiting(PROGRAMS, said, time.monotonic() - began)
        try:
            self.jvm = archive.ensure(self.cache, plain, self.cluster)
        except SumflowError as error:
            self.jvm = plain
            self.note += f"; without a class archive, as {error.what}"


class Runner(Protocol):
    """Who runs the components: the supervisor."""

    @property
    def lives(self) -> Mapping[str, Life]:
        """The state of every component, as of now."""

    def start(self, names: Iterable[str]) -> None:
        """Ask for components to run; those that do are left alone."""


@dataclass(slots=True)
class Bringup:
    """The steps that start a planned system.

    Args:
        topology: what is declared.
        machine: what this machine gives it.
        components: the plan.
        supervisor: runs the components.
    """

    topology: Topology
    machine: plan.Machine
    components: tuple[plan.Component, ...]
    supervisor: Runner
    admin: AdminClient | None = field(default=None)

    def recipe(self) -> list[steps.Step]:
        """Return the steps, in the specified order."""
        kafka_cluster = self.topology.kafka
        absent = "not applicable on one machine: "
        return [
            _noted("namespaces", absent + "processes have none"),
            _noted("Strimzi operator", absent + "SumFlow realises its resources itself"),
            steps.Step(
                f"Kafka {kafka_cluster.version}",
                self._start_kafka,
                self._kafka_ready,
                self._limit_s("coordination", "kafka"),
            ),
            steps.Step("topics", self._apply_topics, self._topics_ready, 60),
            steps.Step("PostgreSQL", self._start_postgres, self._stage_ready("postgres"), self._limit_s("postgres")),
            steps.Step("services", self._starter("services"), self._stage_ready("services"), self._limit_s("services")),
        ]

    def _names(self, *stages: str) -> list[str]:
        return [component.name for component in self.components if component.stage in stages]

    def _limit_s(self, *stages: str) -> float:
        """Return a stage's time limit, in which its slowest start fits: recovering from a crash can be long."""
        declared = (component.rules.start_limit_s for component in self.components if component.stage in stages)
        return max([_LEAST_LIMIT_S, *declared])

    def _starter(self, *stages: str) -> Callable[[], None]:
        return lambda: self.supervisor.start(self._names(*stages))

    def _start_kafka(self) -> None:
        layout = plan.kafka_layout(self.topology, self.machine)
        home = self.machine.home
        for keeper in layout.zookeeper:
            keeper.data.mkdir(parents=True, exist_ok=True)
            keeper.identity.write_text(f"{keeper.node_id}\n", encoding="ascii")
            name = f"zookeeper-{keeper.node_id - 1}"
            _write_properties(home, name, kafka.zookeeper_properties(layout, keeper))
        for node in layout.nodes:
            _write_properties(home, plan.node_name(layout, node), kafka.node_properties(layout, node))
        if not layout.zookeeper:
            _side_by_side([partial(self._format, layout, node) for node in layout.nodes])
        self.supervisor.start(self._names("coordination", "kafka"))

    def _format(self, layout: kafka.Layout, node: kafka.Node) -> None:
        properties = self.machine.home.run_file(f"{plan.node_name(layout, node)}.properties")
        jvm.format_node(self.machine.jvm, layout.cluster_id, properties, node.data)

    def _kafka_ready(self) -> steps.Readiness:
        stage = self._stage_ready("coordination", "kafka")()
        if isinstance(stage, steps.NotYet):
            return stage
        return topics.cluster_ready(self._administrator(), self.topology.kafka.brokers)

    def _administrator(self) -> AdminClient:
        if self.admin is None:
            self.admin = topics.client(plan.kafka_layout(self.topology, self.machine).bootstrap)
        return self.admin

    def _apply_topics(self) -> None:
        topics.apply(self._administrator(), self.topology.topics)

    def _topics_ready(self) -> steps.Readiness:
        seen = topics.topics_ready(self._administrator(), self.topology.topics)
        if isinstance(seen, steps.Ready):
            # The client is let go while its broker lives: closing it later would wait for a connection in vain.
            self.admin = None
        return seen

    def _start_postgres(self) -> None:
        servers = [plan.server(database, self.machine) for database in self.topology.databases]
        _side_by_side([partial(postgres.initialise, server) for server in servers])
        self.supervisor.start(self._names("postgres"))

    def _stage_ready(self, *stages: str) -> Callable[[], steps.Readiness]:
        """Return the condition that all components of the stages are ready; it raises for one that has no hope.

        One that halted is told and not waited for: what it needs is a command that needs the others.
        """

        def look() -> steps.Readiness:
            lives = self.supervisor.lives
            members = [component for component in self.components if component.stage in stages]
            for component in members:
                _require_hope(component, lives[component.name])
            waiting = [c.name for c in members if lives[c.name].phase is not Phase.READY]
            halted = {name: lives[name].problem for name in waiting if HALTED in lives[name].problem}
            if going := [name for name in waiting if name not in halted]:
                return steps.NotYet(f"{going[0]}: {lives[going[0]].problem or lives[going[0]].phase}")
            ready = [component.name for component in members if component.name not in halted]
            return steps.Ready("; ".join([", ".join(ready), *(f"{name}: {said}" for name, said in halted.items())]))

        return look


def _noted(name: str, evidence: str) -> steps.Step:
    """Return a step of the specification that one machine has nothing to do for."""
    return steps.Step(name, lambda: None, lambda: steps.Ready(evidence), 1.0)


def _require_hope(component: plan.Component, life: Life) -> None:
    if life.crashes >= _HOPELESS_AFTER and not life.ready_once:
        raise StepError(
            f"{component.name} {life.last_exit}, {life.crashes} times in a row",
            why=process.log_tail(component.command.log),
            remedy=f"its whole log is {component.command.log}; `sumflow doctor` looks at what it needs",
        )


def _write_properties(home: DataDir, name: str, properties: dict[str, str]) -> None:
    home.run_file(f"{name}.properties").write_text(kafka.properties_text(properties), encoding="utf-8")


def _side_by_side(work: Iterable[Callable[[], None]]) -> None:
    """Do independent work at the same time; raise the first failure after all have ended."""
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result()
