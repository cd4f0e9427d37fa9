"""The totalizer's process: brings its schema up, starts its threads, ends them in order."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Final

import psycopg
import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from sumflow.database import Backoff, SchemaBusyError, migrate
from sumflow.errors import SumflowError
from sumflow.settings import TotalizerSettings
from sumflow.telemetry import logs
from sumflow.telemetry.health import HealthServer, Heartbeat
from sumflow.totalizer.api import Api
from sumflow.totalizer.consumer import KafkaToTotal
from sumflow.totalizer.copier import Copier
from sumflow.totalizer.metrics import Metrics
from sumflow.totalizer.server import RestServer

JOIN_S: Final = 15.0
"""The consumer's last transaction has a limit of its own; this is beyond it."""
TURN_LIMIT_S: Final = 60.0
"""What a turn of the consumer may take while its servers are slow: three transactions and three questions to Kafka."""

_log: Final = structlog.get_logger(__name__)


def run(settings: TotalizerSettings) -> None:
    """Run until SIGTERM or SIGINT; raise SumflowError if the process cannot do its work."""
    logs.configure("totalizer", settings.instance, settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _setting(stop))
    process = Process(settings, stop)
    with logs.stray_lines():
        try:
            process.run()
        finally:
            process.close()


class Process:
    """The parts of one totalizer.

    Args:
        settings: what the process was told.
        stop: set when the process is to end; parts that fail set it too.
    """

    def __init__(self, settings: TotalizerSettings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._heartbeat = Heartbeat(TURN_LIMIT_S)
        self._starting: str | None = "starting"
        self._failure: Exception | None = None
        registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._metrics = Metrics(registry, settings.kafka_topic)
        self._copier = Copier(settings, self._metrics) if settings.kafka_dead_letter_topic else None
        self._consumer = KafkaToTotal(
            settings, self._metrics, self._heartbeat, stop.is_set, self._copier.wake if self._copier else _nothing
        )
        self._rest = RestServer(settings.http_listen, Api(settings, self._consumer.problem), self._rest_ended)
        self._thread = threading.Thread(target=self._consume, name="consumer", daemon=True)
        self._health = HealthServer(
            settings.metrics_listen, registry, live=self._heartbeat.problem, ready=self._not_ready
        )

    def run(self) -> None:
        """Work until asked to stop, or until a part fails."""
        # Reading needs the database alone: a restarted replica answers before it consumes, and says what is missing.
        self._rest.start()
        self._bring_schema_up()
        if not self._stop.is_set():
            self._thread.start()
            if self._copier:
                self._copier.start()
            self._starting = None
            self._stop.wait()
        self._starting = "stopping"
        if self._failure is not None:
            if isinstance(self._failure, SumflowError):
                raise self._failure
            raise SumflowError("a part of the totalizer failed", why=repr(self._failure)) from self._failure

    def close(self) -> None:
        """End the parts: first what takes work in, last what shows how it went."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        self._rest.close()
        if self._copier:
            self._copier.close()
        self._health.close()
        _log.info("stopped")

    def _bring_schema_up(self) -> None:
        """Migrate, waiting for a database that is away; raise SumflowError if it refuses."""
        backoff = Backoff()
        while not self._stop.is_set():
            self._heartbeat.beat()
            try:
                return migrate(self._settings, "sumflow.totalizer")
            except (psycopg.OperationalError, SchemaBusyError) as error:
                self._starting = f"the database is away: {error}".strip()
                _log.warning("waiting for the database", error=str(error).strip())
                self._stop.wait(backoff.next_s())
            except psycopg.Error as error:
                raise SumflowError(
                    "the totalizer's schema cannot be brought up to date",
                    why=str(error).strip(),
                    remedy=f"look at the database {self._settings.postgres_db} at {self._settings.postgres_address}",
                ) from error
        return None

    def _consume(self) -> None:
        try:
            self._consumer.run()
        except Exception as error:  # noqa: BLE001, a thread's failure ends the process, which tells it
            self._fail(error)

    def _rest_ended(self) -> None:
        if not self._stop.is_set():
            self._fail(RuntimeError("the REST interface ended by itself"))

    def _fail(self, error: Exception) -> None:
        _log.error("a part of the totalizer failed", exc_info=error)
        self._failure = error
        self._stop.set()

    def _not_ready(self) -> str | None:
        return self._starting or self._consumer.problem() or self._rest.problem()


def _setting(stop: threading.Event) -> signal._HANDLER:
    def handle(number: int, _: FrameType | None) -> None:
        stop.set()

    return handle


def _nothing() -> None:
    """Do nothing: without a dead-letter topic there is nobody to tell."""
