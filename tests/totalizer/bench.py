"""Produces to a topic, runs totalizers on it, and looks at what they make of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import CollectorRegistry

from sumflow.settings import Address, TotalizerSettings
from sumflow.sums.event import TOTAL_HEADER
from sumflow.telemetry.health import Heartbeat
from sumflow.totalizer.consumer import KafkaToTotal
from sumflow.totalizer.metrics import Metrics
from sumflow.totalizer.records import Headers
from tests.totalizer.records import Lane, foreign_value

PATIENCE_S = 40.0


class Bench:
    """One database and one topic.

    Args:
        settings: of the totalizers that run on them.
        database: a connection in autocommit.
    """

    def __init__(self, settings: TotalizerSettings, database: psycopg.Connection[Any]) -> None:
        self.settings = settings
        self.database = database
        self.producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 5})
        self.admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
        database.execute("LISTEN totals")

    def close(self) -> None:
        """Let the producer go."""
        self.producer.flush(10)

    def send(self, value: bytes | None, headers: Headers | None = None, partition: int = 0) -> None:
        """Produce one record; `flush` makes sure of it."""
        self.producer.produce(self.settings.kafka_topic, value, partition=partition, headers=list(headers or []))
        self.producer.poll(0)

    def add(self, lane: Lane, seqs: list[int], partition: int = 0) -> None:
        """Produce events of a lane; the seq-th adds seq."""
        for seq in seqs:
            self.send(lane.value(seq, seq, 0), lane.headers(seq), partition)
        self.producer.flush(10)

    def add_foreign(self, event_id: UUID, x: int, partition: int = 0, total: str = "") -> None:
        """Produce an event without lane."""
        self.send(foreign_value(event_id, x, 0), [(TOTAL_HEADER, total.encode())] if total else None, partition)
        self.producer.flush(10)

    def create_topic(self) -> None:
        """Create the topic, as soon as the broker has finished to delete one of its name."""
        topic = self.settings.kafka_topic
        for _ in range(100):
            if self.admin.create_topics([NewTopic(topic, 3, 1)])[topic].exception(20) is None:
                return
        raise AssertionError(f"{topic} cannot be created")

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.database.execute(sql.encode(), parameters).fetchall()

    def total(self) -> tuple[int, int]:
        """Return the count and the sum, of all totals together."""
        ((count, total),) = self.query("SELECT sum(count), sum(sum) FROM totals")
        return int(count), int(total)

    def lose_tables(self) -> None:
        """Let the database be empty at once; dropping what is read and written meanwhile may end in a deadlock."""
        with self.database.transaction():
            self.database.execute("ALTER SCHEMA public RENAME TO lost")
            self.database.execute("CREATE SCHEMA public")

    def eventually(self, look: Callable[[], object], wanted: object) -> None:
        """Wait until a look at the database shows what is wanted; every commit of a totalizer is a reason to look."""
        deadline = time.monotonic() + PATIENCE_S
        while (seen := look()) != wanted:
            assert time.monotonic() < deadline, f"{seen} instead of {wanted}"
            for _ in self.database.notifies(timeout=0.2, stop_after=1):
                pass

    @contextmanager
    def running(self, settings: TotalizerSettings | None = None) -> Iterator[Running]:
        """Run a totalizer's consumer in a thread for the block."""
        running = Running(settings or self.settings)
        running.thread.start()
        try:
            yield running
        finally:
            running.stop.set()
            running.thread.join(PATIENCE_S)
        assert not running.thread.is_alive()
        assert running.failure is None

    @contextmanager
    def process(self, **changes: object) -> Iterator[TotalizerProcess]:
        """Run a totalizer as a process for the block."""
        process = TotalizerProcess(msgspec.structs.replace(self.settings, **changes))
        try:
            yield process
        finally:
            process.kill()


class Running:
    """A consumer in a thread, and what it counts."""

    def __init__(self, settings: TotalizerSettings) -> None:
        self.registry = CollectorRegistry()
        self.stop = threading.Event()
        self.failure: Exception | None = None
        metrics = Metrics(self.registry, settings.kafka_topic)
        self.consumer = KafkaToTotal(settings, metrics, Heartbeat(), self.stop.is_set, lambda: None)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, 0 if it is not there."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def consumed(self, topic: str, status: str) -> float:
        """Return how many records had a status."""
        kind = "unknown" if status in ("dead_letter", "probe") else "sum.calculated"
        return self.metric("kafka_messages_consumed_total", topic=topic, event_type=kind, status=status)

    def _run(self) -> None:
        try:
            self.consumer.run()
        except Exception as error:  # noqa: BLE001, told by the test
            self.failure = error


class TotalizerProcess:
    """A totalizer as a process of its own, with the environment that a manifest would give it."""

    def __init__(self, settings: TotalizerSettings) -> None:
        self.settings = settings
        told = {name.upper(): str(value) for name, value in msgspec.structs.asdict(settings).items()}
        self.popen = subprocess.Popen([sys.executable, "-m", "sumflow", "totalizer"], env=os.environ | told)

    def get(self, path: str, address: Address | None = None) -> httpx.Response:
        """Ask its REST interface, or another of its addresses."""
        return httpx.get(f"http://{address or self.settings.http_listen}{path}", trust_env=False, timeout=20)

    def await_ready(self) -> None:
        """Wait until its readiness probe says so."""
        self.await_readiness(lambda answer: answer.status_code == 200)

    def await_readiness(self, wanted: Callable[[httpx.Response], bool]) -> httpx.Response:
        """Wait for an answer of the readiness probe."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self.get("/readyz", self.settings.metrics_listen)
            except httpx.TransportError:
                answer = httpx.Response(0)
            if wanted(answer):
                return answer
            assert time.monotonic() < deadline, answer.text
            assert self.popen.poll() is None
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it as a power failure would."""
        self.popen.kill()
        self.popen.wait(10)

    def terminate(self) -> int:
        """Ask it to end; return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(20)


def as_ints(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with its numerics as ints."""
    return tuple(int(value) if isinstance(value, Decimal) else value for value in row)
