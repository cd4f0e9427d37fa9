"""Carries out what the state machine decides: one thread that reads Kafka and writes PostgreSQL, a batch at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, cast
from uuid import UUID

import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from sumflow.database import SchemaBusyError, migrate
from sumflow.errors import SumflowError
from sumflow.settings import TotalizerSettings
from sumflow.telemetry.health import HALTED, Heartbeat
from sumflow.totalizer import broker, ledger, machine, upkeep
from sumflow.totalizer.machine import Consuming, Halted, Joining, Positioning, State, Stopped
from sumflow.totalizer.metrics import Metrics
from sumflow.totalizer.positions import Halt, StoredOffset, TopicFacts, decide_identity, decide_positions, have_moved
from sumflow.totalizer.records import Record, sort
from sumflow.totalizer.session import Session

POLL_S: Final = 0.25
"""The longest wait for a record before the loop looks at the clock; records themselves end the wait."""

_log: Final = structlog.get_logger(__name__)


class KafkaToTotal:
    """The consumer loop.

    Args:
        settings: what to read, and where to write.
        metrics: what is counted on the way.
        heartbeat: beaten at every turn of the loop.
        stopping: tells whether the process is asked to end.
        on_dead_letters: called after a commit that put records aside.
    """

    def __init__(
        self,
        settings: TotalizerSettings,
        metrics: Metrics,
        heartbeat: Heartbeat,
        stopping: Callable[[], bool],
        on_dead_letters: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._topic = settings.kafka_topic
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._stopping = stopping
        self._on_dead_letters = on_dead_letters
        self._state = State()
        self._topic_id = UUID(int=0)
        self._unchecked: str | None = None
        self._session = Session(settings, "sumflow-totalizer")
        self._consumer: Consumer = broker.make_consumer(settings)
        self._admin = broker.make_admin(settings)

    def run(self) -> None:
        """Read until asked to stop; then leave the group, so that others take over at once.

        Raises:
            SumflowError: the client can do nothing any more; another process took this one's place in the group.
        """
        self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked)
        try:
            while not isinstance(self._state.phase, Stopped):
                self._heartbeat.beat()
                self._feed(machine.StopRequested() if self._stopping() else machine.Tick())
                self._take(self._poll())
        finally:
            self._consumer.close()
            self._session.close()

    def problem(self) -> str | None:
        """Return why nothing is read that should be, or None; asked from the health port's thread."""
        match self._state.phase:
            case Joining():
                return f"the consumer group {self._settings.kafka_group} has not answered yet"
            case Positioning(_, trouble):
                return f"reading starts anew: {trouble}" if trouble else "looking up where to read from"
            case Halted(halt):
                return f"{'' if halt.passing else HALTED}{halt.reason}. {halt.remedy}"
            case Stopped():
                return "stopping"
            case _:
                return self._unchecked

    def _assigned(self, _: Consumer, places: list[TopicPartition]) -> None:
        self._feed(machine.Assigned(frozenset(place.partition for place in places)))

    def _revoked(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._feed(machine.Revoked())

    def _feed(self, event: machine.Event) -> None:
        """Let the machine decide, and carry out; each action answers with one event at most."""
        events = deque([event])
        while events:
            before = self._state.phase
            self._state, actions = machine.decide(self._state, events.popleft(), time.monotonic())
            self._tell(before, self._state.phase)
            for action in actions:
                if answer := self._perform(action):
                    events.append(answer)

    def _perform(self, action: machine.Action) -> machine.Event | None:
        match action:
            case machine.StopFetching():
                self._consumer.assign([])
            case machine.Release():
                self._consumer.unassign()
                self._metrics.forget_lag()
            case machine.Fetch(positions):
                self._consumer.assign([TopicPartition(self._topic, p, offset) for p, offset in positions.items()])
            case machine.LookUp(partitions):
                return self._look_up(partitions)
            case machine.CheckTopic():
                return self._check_topic()
            case machine.TellKafka(next_offsets):
                self._tell_kafka(next_offsets)
            case machine.Leave():
                _log.info("leaving the consumer group", group=self._settings.kafka_group)
        return None

    def _tell_kafka(self, next_offsets: Mapping[int, int]) -> None:
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in next_offsets.items()]
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            # Only tools for lag read these; the next commit says more.
            _log.warning("Kafka was not told the offsets", error=str(error.args[0]))

    def _poll(self) -> list[Message]:
        """Wait for a record, then take what else is there: neither is delayed for the other."""
        first = self._consumer.poll(POLL_S)
        if first is None:
            return []
        return [first, *self._consumer.consume(self._settings.totalizer_batch, 0)]

    def _take(self, messages: list[Message]) -> None:
        if (error := next((message.error() for message in messages if message.error() is not None), None)) is not None:
            if error.code() == KafkaError._FATAL:  # noqa: SLF001, the client's public name for its own error
                raise _ended(self._settings, error)
            # The client goes on behind what it could not read: only a new start from the stored offsets leaves no hole.
            _log.warning("Kafka reports an error", error=str(error))
            self._feed(machine.Trouble(str(error)))
        elif isinstance(self._state.phase, Consuming):
            positions = self._state.phase.positions
            read = [cast("Record", message) for message in messages]
            # A record from before a rebalance may still come; its partition or its position tells.
            records = [r for r in read if r.partition() in positions and r.offset() >= positions[r.partition()]]
            if records:
                self._write(records, positions)

    def _write(self, records: list[Record], positions: Mapping[int, int]) -> None:
        batch = sort(records)
        ends = {partition: self._end_offset(partition) for partition in batch.next_offsets}
        reading = ledger.Reading(self._topic, self._topic_id, positions, ends)
        try:
            with self._metrics.transaction_seconds.time(), self._session.transaction() as connection:
                outcome = ledger.record_batch(connection, batch, reading)
        except ledger.OwnershipLostError as lost:
            self._metrics.ownership_lost.inc()
            self._feed(machine.Trouble(str(lost)))
        except psycopg.Error as error:
            self._feed(machine.Trouble(f"PostgreSQL: {error}".strip()))
        else:
            self._feed(machine.Committed(batch.next_offsets))
            self._metrics.observe(len(records), outcome)
            for partition, next_offset in batch.next_offsets.items():
                self._metrics.show_lag(partition, max(ends[partition] - next_offset, 0))
            if batch.poison:
                self._on_dead_letters()

    def _end_offset(self, partition: int) -> int:
        """Return where the partition ended when records were last fetched; nothing is asked of the brokers."""
        known = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
        return known[1] if known else 0

    def _look_up(self, partitions: frozenset[int]) -> machine.Event:
        try:
            with self._session.transaction() as connection:
                upkeep.check_schema(connection)  # which ends this process: a newer one takes the partitions over
                upkeep.turn_day(connection, self._settings.processed_events_retention_days)
                stored = upkeep.stored_offsets(connection, self._topic)
            facts = self._facts()
            self._show_ends(facts, stored)
            found = decide_positions(self._topic, partitions, facts, stored)
            if isinstance(found, Halt) or facts is None:
                return self._must_halt(found)
            with self._session.transaction() as connection:
                upkeep.register(connection, self._topic, facts, found)
        except (psycopg.errors.UndefinedTable, upkeep.OlderSchemaError) as lack:
            return self._bring_schema_up(lack)
        except (psycopg.Error, KafkaException, TimeoutError) as error:
            return machine.Trouble(_said(error))
        self._topic_id = facts.topic_id
        return machine.Positioned(found)

    def _bring_schema_up(self, lack: Exception) -> machine.Event:
        """Migrate what came back: another database than the one that was read into, empty or an earlier state of it."""
        try:
            migrate(self._settings, "sumflow.totalizer")
        except (psycopg.Error, SchemaBusyError) as error:
            return machine.Trouble(_said(error))
        return machine.Trouble(f"the database is not as it was, and was migrated: {_said(lack)}")

    def _must_halt(self, found: dict[int, int] | Halt) -> machine.Event:
        return machine.MustHalt(found) if isinstance(found, Halt) else machine.Trouble("the topic went away")

    def _facts(self) -> TopicFacts | None:
        """Ask the brokers about the topic; raise KafkaException or TimeoutError if they do not answer."""
        try:
            return broker.topic_facts(self._admin, self._topic)
        except (KafkaException, TimeoutError):
            # A client waits for the controller that it knows, also when that one's node is lost: a new one asks anew.
            self._admin = broker.make_admin(self._settings)
            raise

    def _check_topic(self) -> machine.Event:
        try:
            with self._session.transaction() as connection:
                upkeep.turn_day(connection, self._settings.processed_events_retention_days)
                stored = upkeep.stored_offsets(connection, self._topic)
                upkeep.show_parked(connection, self._metrics)
                upkeep.show_unexplained(connection, self._metrics)
            facts = self._facts()
            if halt := decide_identity(self._topic, facts, stored):
                return machine.MustHalt(halt)
            if isinstance(self._state.phase, Consuming) and have_moved(self._state.phase.positions, stored):
                # The database was restored, or another consumer reads: without a record to count we would never notice.
                return machine.Trouble("the stored offsets are not those that are read from")
            self._show_ends(facts, stored)
        except psycopg.errors.UndefinedTable as lack:
            return self._bring_schema_up(lack)
        except (psycopg.Error, KafkaException, TimeoutError) as error:
            self._unchecked = f"the topic cannot be checked: {_said(error)}"
            _log.warning("the topic cannot be checked", error=_said(error))
            return machine.CheckFailed()
        self._unchecked = None
        return machine.TopicFits()

    def _show_ends(self, facts: TopicFacts | None, stored: Mapping[int, StoredOffset]) -> None:
        """Show what is still to be read, to all replicas and in the metrics: also while nothing is read."""
        if facts is None:
            return
        with self._session.transaction() as connection:
            upkeep.store_end_offsets(connection, self._topic, facts.end_offsets)
        for partition in self._state.partitions & stored.keys() & facts.end_offsets.keys():
            behind = facts.end_offsets[partition] - stored[partition].next_offset
            self._metrics.show_lag(partition, max(behind, 0))

    def _tell(self, before: machine.Phase, after: machine.Phase) -> None:
        """Log and show a change of phase."""
        if type(before) is type(after):
            return
        self._metrics.halted.set(isinstance(after, Halted))
        match after:
            case Halted(halt):
                _log.error("halted", reason=halt.reason, remedy=halt.remedy)
            case Positioning(_, trouble) if trouble:
                self._metrics.troubles.inc()
                _log.warning("reading starts anew from the stored offsets", reason=trouble)
            case Consuming(positions):
                _log.info("reading", topic=self._topic, positions={str(p): o for p, o in positions.items()})
            case _:
                _log.info("consumer", phase=type(after).__name__)


def _ended(settings: TotalizerSettings, error: KafkaError) -> SumflowError:
    """Say why the client has ended for good."""
    return SumflowError(
        "the Kafka client can do nothing any more",
        why=error.str(),
        remedy="start the totalizer again; if it was fenced, another one reads as "
        f"{settings.kafka_group_instance!r}: give each a KAFKA_GROUP_INSTANCE of its own, or none",
    )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()
