"""From the declared system to the processes of one machine: values in, values out.

The only things looked up are the programs' places and whether this is root; nothing is created or started.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from sumflow.errors import ManifestError
from sumflow.local import discovery, jvm, kafka, postgres, process, zookeeper
from sumflow.local.checks import Check, CommandOk, HttpOk, KafkaAnswers, PortOpen, ZooKeeperAlive, ZooKeeperServes
from sumflow.local.credentials import Values
from sumflow.local.datadir import DataDir
from sumflow.local.lifecycle import Rules
from sumflow.local.ports import Ports, replica_names
from sumflow.topology.model import Container, Database, ExecProbe, HttpProbe, Probe, Topology, Workload

STAGES: Final = ("coordination", "kafka", "postgres", "services")
"""In the order of starting; stopping goes the other way."""
STOP_GRACE_S: Final = {"services": 3.0, "postgres": 3.0, "kafka": 2.5, "coordination": 0.8}
"""The longest each stage may take to stop before force is used; together below the 10 s of a `down`."""

BROKER_HEAP: Final = "256m"
NODE_HEAP: Final = "96m"
_OUR_IMAGE: Final = "sumflow:"
_JVM_RULES: Final = Rules(ready_period_s=5, live_period_s=10, live_delay_s=30, start_limit_s=90)


@dataclass(frozen=True, slots=True)
class Component:
    """A process to be: what it is, how it runs, and how its health is asked."""

    name: str
    what: str
    stage: str
    command: process.Command
    readiness: Check
    liveness: Check | None
    rules: Rules
    addresses: tuple[str, ...]
    check_timeout_s: float = 1.0
    before_start: Callable[[], str] | None = None
    """Mends what an earlier life of the process left, before each start; returns what it did, in a line, or nothing."""
    keeps: Path | None = None
    """A file that its data has from before its first start on; without it the data is gone."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan needs to know of this machine: where the system lives, its ports, its secrets, its programs."""

    home: DataDir
    ports: Ports
    secrets: Values
    jvm: jvm.Jvm
    cluster_id: str
    python: str
    detours: Ports = field(default_factory=dict)
    """Ports that others use instead of a component's own."""


def components(topology: Topology, machine: Machine) -> tuple[Component, ...]:
    """Return every process of the system, in the order of starting."""
    layout = kafka_layout(topology, machine)
    found = [*_coordination(layout, machine), *_brokers(layout, machine)]
    found += [_database(database, machine) for database in topology.databases]
    found += _services(topology, machine, layout)
    return tuple(_marked(component, machine.home) for component in found)


def kafka_layout(topology: Topology, machine: Machine) -> kafka.Layout:
    """Lay the Kafka cluster out on this machine."""
    cluster, ports, home = topology.kafka, machine.ports, machine.home
    listener = cluster.listeners[0].name
    nodes = []
    for i in range(cluster.brokers):
        name = f"kafka-{i}"
        key = f"{name}/{listener}"
        advertised = machine.detours.get(key, ports[key])
        nodes.append(kafka.Node(i, home.data(name), ports[key], ports.get(f"{name}/controller"), advertised))
    for i in range(cluster.controllers):
        name = f"controller-{i}"
        nodes.append(kafka.Node(cluster.brokers + i, home.data(name), None, ports[f"{name}/controller"]))
    zookeeper = []
    for i in range(cluster.zookeeper_nodes):
        name = f"zookeeper-{i}"
        own = (ports[f"{name}/{purpose}"] for purpose in ("client", "peer", "election"))
        zookeeper.append(kafka.ZooKeeper(i + 1, home.data(name), *own))
    return kafka.Layout(cluster, machine.cluster_id, tuple(nodes), tuple(zookeeper))


def node_name(layout: kafka.Layout, node: kafka.Node) -> str:
    """Return the component name of a Kafka process."""
    return f"kafka-{node.node_id}" if node.port else f"controller-{node.node_id - layout.cluster.brokers}"


def server(database: Database, machine: Machine) -> postgres.Server:
    """Return what a declared database is on this machine."""
    secret = machine.secrets[database.secret.namespace, database.secret.name]
    name = f"{database.name}-0"
    port = machine.ports[f"{name}/postgres"]
    return postgres.Server(
        machine.home.data(name),
        port,
        secret["POSTGRES_USER"],
        secret["POSTGRES_PASSWORD"],
        secret["POSTGRES_DB"],
        machine.home.archive(name),
    )


def _coordination(layout: kafka.Layout, machine: Machine) -> Iterator[Component]:
    for node in layout.zookeeper:
        name = f"zookeeper-{node.node_id - 1}"
        argv = machine.jvm.command(
            jvm.ZOOKEEPER,
            str(machine.home.run_file(f"{name}.properties")),
            heap=NODE_HEAP,
            flags=("-XX:TieredStopAtLevel=1", _temporary_files(machine)),
        )
        port = node.client_port
        checks = ZooKeeperServes(port), ZooKeeperAlive(port, str(node.data))
        found = _java_component(name, "ZooKeeper node", "coordination", argv, machine, checks, port)
        yield replace(
            found,
            before_start=partial(zookeeper.put_headless_logs_aside, node.data),
            keeps=node.identity,
        )
    for node_ in layout.nodes:
        if node_.port is None and node_.controller_port:
            yield _kafka_component(layout, node_, machine, "KRaft controller", "coordination", NODE_HEAP)


def _brokers(layout: kafka.Layout, machine: Machine) -> Iterator[Component]:
    for node in layout.nodes:
        if node.port:
            role = "broker and controller" if node.controller_port else "broker"
            yield _kafka_component(layout, node, machine, role, "kafka", BROKER_HEAP)


def _kafka_component(
    layout: kafka.Layout, node: kafka.Node, machine: Machine, role: str, stage: str, heap: str
) -> Component:
    name = node_name(layout, node)
    properties = str(machine.home.run_file(f"{name}.properties"))
    argv = machine.jvm.command(jvm.KAFKA, properties, heap=heap, flags=(_temporary_files(machine),))
    port = node.port or node.controller_port or 0
    what = f"Kafka {layout.cluster.version} {role}"
    found = _java_component(name, what, stage, argv, machine, (KafkaAnswers(port), KafkaAnswers(port)), port)
    # A broker with ZooKeeper makes its directory itself, and gets what was in it from the others.
    return found if layout.zookeeper else replace(found, keeps=jvm.format_mark(node.data))


def _temporary_files(machine: Machine) -> str:
    """Keep the compression libraries that Kafka unpacks inside the data directory."""
    return f"-Djava.io.tmpdir={machine.home.path / 'run'}"


def _java_component(
    name: str, what: str, stage: str, argv: tuple[str, ...], machine: Machine, checks: tuple[Check, Check], port: int
) -> Component:
    """Return the process of a JVM; `checks` are readiness and liveness."""
    command = process.Command(argv, machine.home.log(name))
    rules = replace(_JVM_RULES, stop_grace_s=STOP_GRACE_S[stage])
    return Component(name, what, stage, command, *checks, rules, (f"127.0.0.1:{port}",), check_timeout_s=3.0)


def _database(database: Database, machine: Machine) -> Component:
    name = f"{database.name}-0"
    its = server(database, machine)
    container = database.workload.containers[0]
    command = process.Command(postgres.command(its), machine.home.log(name), stop_signal=signal.SIGINT)
    return Component(
        name=name,
        what=f"PostgreSQL {postgres.MAJOR}, database {its.database}",
        stage="postgres",
        command=command,
        readiness=CommandOk(postgres.is_ready_command(its.port, its.user)),
        liveness=CommandOk(postgres.is_ready_command(its.port, its.user)) if container.liveness else None,
        rules=_rules(container, "postgres"),
        addresses=(f"127.0.0.1:{its.port}",),
        check_timeout_s=3.0,
        before_start=partial(postgres.end_strays, its.data),
        keeps=postgres.version_file(its.data),
    )


def _services(topology: Topology, machine: Machine, layout: kafka.Layout) -> Iterator[Component]:
    table = discovery.table(topology, {**machine.ports, **machine.detours}, layout.advertised)
    for workload in topology.services:
        for container in workload.containers:
            for i, name in enumerate(replica_names(workload, container)):
                yield _service(workload, container, i, name, machine, table)


def _service(
    workload: Workload, container: Container, replica: int, name: str, machine: Machine, table: discovery.Table
) -> Component:
    if not container.image.startswith(_OUR_IMAGE):
        raise ManifestError(
            f"one machine cannot run the image {container.image}",
            file=workload.source.file,
            line=workload.source.line,
            why="it runs SumFlow's own services as processes, and no containers",
        )
    local = {port: machine.ports[f"{name}/{label}"] for label, port in container.ports.items()}
    secrets = {
        variable: machine.secrets[workload.namespace, origin.secret][origin.key]
        for variable, origin in container.from_secrets.items()
    }
    declared = {**container.env, **secrets}
    if "KAFKA_GROUP" in declared:  # a copy that died is back at once, under the name that it had: it keeps its place
        declared["KAFKA_GROUP_INSTANCE"] = "$(POD_NAME)"
    env = discovery.environment(declared, table, local, f"{workload.name}-{replica}", workload.namespace)
    argv = (machine.python, "-m", "sumflow", *container.args)
    return Component(
        name=name,
        what=f"SumFlow {container.name}",
        stage="services",
        command=process.Command(argv, machine.home.log(name), env),
        readiness=_check(container.readiness, local, workload),
        liveness=_check(container.liveness, local, workload) if container.liveness else None,
        rules=_rules(container, "services"),
        addresses=tuple(f"127.0.0.1:{port}" for port in local.values()),
        check_timeout_s=float(container.readiness.timeout_s) if container.readiness else 1.0,
    )


def _check(probe: Probe | None, local: Mapping[int, int], workload: Workload) -> Check:
    match probe.check if probe else None:
        case HttpProbe(path, port):
            return HttpOk(local[port], path)
        case ExecProbe() | None:
            raise ManifestError(
                f"{workload.name}: one machine needs an httpGet readiness probe",
                file=workload.source.file,
                line=workload.source.line,
            )
        case grpc:
            return PortOpen(local[grpc.port])


def _rules(container: Container, stage: str) -> Rules:
    """Take the declared periods and thresholds; asking starts at once, as asking early costs nothing here."""
    ready, live, startup = (
        container.readiness or container.liveness,
        container.liveness,
        container.startup or container.readiness,
    )
    limit_s = startup.failure_threshold * startup.period_s if startup else 60
    return Rules(
        ready_period_s=ready.period_s if ready else 10,
        ready_failures=ready.failure_threshold if ready else 3,
        live_period_s=live.period_s if live else 10,
        live_failures=live.failure_threshold if live else 3,
        live_delay_s=live.initial_delay_s if live else 0,
        start_limit_s=max(60.0, float(limit_s)),
        may_wait_for_others=live is not None,
        stop_grace_s=STOP_GRACE_S[stage],
    )


def _marked(component: Component, home: DataDir) -> Component:
    """Let the process carry the name of its system, by which it is found should the supervisor die."""
    env = {**component.command.env, process.MARKER: str(home.path), process.COMPONENT: component.name}
    return replace(component, command=replace(component.command, env=env))
