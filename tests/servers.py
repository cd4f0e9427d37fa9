"""Starts the servers that the tests speak to, with the code that `sumflow up` starts them with."""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sumflow import steps
from sumflow.local import jars, java, jvm, process
from sumflow.local import kafka as kafka_plan
from sumflow.local import postgres as postgresql
from sumflow.settings import CommandSettings, load
from sumflow.topology.model import KafkaCluster, Listener, Resources, Source
from tests.ports import free_port

KAFKA_VERSION = "4.3.1"
_SOURCE = Source("tests/servers.py", 1)


def await_ready(name: str, ready: Callable[[], steps.Readiness], within_s: float = 60) -> None:
    """Wait until a condition holds; raise StepError when its time is over."""
    steps.run([steps.Step(name, lambda: None, ready, within_s)], steps.Silent())


@contextmanager
def postgres_server(directory: Path, database: str = "postgres") -> Iterator[postgresql.Server]:
    """Run a PostgreSQL server of the caller's own; its user is a superuser."""
    server = postgresql.Server(directory / "data", free_port(), "tester", secrets.token_urlsafe(12), database)
    postgresql.initialise(server)
    with started(server, directory / "postgres.log"):
        yield server


@contextmanager
def started(server: postgresql.Server, log: Path) -> Iterator[None]:
    """Run a server that is initialised, until the block ends."""
    running = process.start(process.Command(postgresql.command(server), log))
    try:
        await_accepting(server, running)
        yield
    finally:
        stop(running, 2)


@contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """Run a PostgreSQL server and give its superuser's URL."""
    with postgres_server(directory) as server:
        yield server.url


@contextmanager
def kafka(directory: Path) -> Iterator[str]:
    """Run one KRaft broker of the caller's own and give its address."""
    node = kafka_plan.Node(0, directory / "data", free_port(), free_port())
    layout = kafka_plan.Layout(small_cluster(), "sumflow-tests-0000000g", (node,))
    properties = directory / "server.properties"
    properties.write_text(kafka_plan.properties_text(kafka_plan.node_properties(layout, node)), encoding="utf-8")
    settings = load(CommandSettings)
    machine = jvm.Jvm(java.find(settings), jars.ensure(settings.cache_dir, jars.load_lock(KAFKA_VERSION)))
    jvm.format_node(machine, layout.cluster_id, properties, node.data)
    command = machine.command(jvm.KAFKA, str(properties), heap="256m")
    running = process.start(process.Command(command, directory / "kafka.log"))
    try:
        await_ready("Kafka", lambda: _answers(layout.bootstrap, running))
        yield layout.bootstrap
    finally:
        stop(running, 15)


def small_cluster() -> KafkaCluster:
    """Return the declaration of a one-broker cluster, as the profile `dev` has it."""
    config = {
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "auto.create.topics.enable": "false",
    }
    return KafkaCluster(
        name="sumflow-kafka",
        namespace="sumflow-kafka",
        version=KAFKA_VERSION,
        brokers=1,
        controllers=0,
        zookeeper_nodes=0,
        listeners=(Listener("plain", 9092, tls=False),),
        config=config,
        broker_resources=Resources(),
        zookeeper_resources=Resources(),
        source=_SOURCE,
    )


def await_accepting(server: postgresql.Server, running: subprocess.Popen[bytes]) -> None:
    """Wait until a server that was started lets its user in; raise StepError if it does not."""
    await_ready("PostgreSQL", lambda: _accepts(server, running))


def _accepts(server: postgresql.Server, running: subprocess.Popen[bytes]) -> steps.Readiness:
    assert running.poll() is None, "PostgreSQL ended at once"
    try:
        psycopg.connect(server.url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return steps.NotYet(str(error))
    return steps.Ready()


def _answers(bootstrap: str, running: subprocess.Popen[bytes]) -> steps.Readiness:
    assert running.poll() is None, "Kafka ended at once"
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=5)
    except (OSError, KafkaException) as error:
        return steps.NotYet(str(error))
    return steps.Ready()


def stop(running: subprocess.Popen[bytes], number: int) -> None:
    """End a server in good order, or by force when it is late."""
    running.send_signal(number)
    try:
        running.wait(10)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait(10)
