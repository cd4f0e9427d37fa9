"""Copies dead letters to the dead-letter topic, for those who watch topics; the table remains the authority.

A row is marked after the brokers' acknowledgement: a copy that fails, or a crash in between, means another copy,
never none.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from sumflow.database import queries
from sumflow.settings import TotalizerSettings
from sumflow.totalizer.broker import connection_config
from sumflow.totalizer.metrics import Metrics
from sumflow.totalizer.session import Session

AT_ONCE: Final = 100
FLUSH_S: Final = 5.0
AGAIN_S: Final = 10.0
"""Copies that failed, and those that another replica left behind, are looked for this often."""

_sql: Final = queries("sumflow.totalizer")
_log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row of dead_letters, as it is copied."""

    topic: str
    topic_id: UUID
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | None]]
    reason: str

    def copied_headers(self) -> list[tuple[str, str | bytes | None]]:
        """Return the record's own headers, and where it was and why it is here."""
        copied: list[tuple[str, str | bytes | None]] = [
            (name, None if value is None else bytes.fromhex(value)) for name, value in self.headers
        ]
        place = {"topic": self.topic, "partition": self.partition, "offset": self.offset, "reason": self.reason}
        return copied + [(f"dead-letter-{name}", str(value)) for name, value in place.items()]


class Copier:
    """The thread that copies.

    Args:
        settings: the database, the brokers, the dead-letter topic.
        metrics: counts the copies.
    """

    def __init__(self, settings: TotalizerSettings, metrics: Metrics) -> None:
        self._topic = settings.kafka_dead_letter_topic
        self._metrics = metrics
        self._session = Session(settings, "sumflow-totalizer-dead-letters", limit_s=FLUSH_S * 4)
        config = connection_config(settings) | {"acks": "all", "message.max.bytes": 4 << 20, "message.timeout.ms": 4000}
        self._producer = Producer(config)
        self._wanted = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dead-letters", daemon=True)

    def start(self) -> None:
        """Begin: first with what is left from before."""
        self._wanted.set()
        self._thread.start()

    def wake(self) -> None:
        """Say that there are new dead letters."""
        self._wanted.set()

    def close(self) -> None:
        """Stop; what is not copied is copied after the next start."""
        self._stopping = True
        self._wanted.set()
        self._thread.join(FLUSH_S)

    def _run(self) -> None:
        more = True
        while not self._stopping:
            if not more:
                self._wanted.wait(AGAIN_S)
            self._wanted.clear()
            try:
                more = not self._stopping and self._copy_some() == AT_ONCE
            except (psycopg.Error, KafkaException, BufferError) as error:
                more = False
                _log.warning("dead letters are not copied", topic=self._topic, error=str(error).strip())
        self._session.close()

    def _copy_some(self) -> int:
        """Copy the oldest; return how many are done with."""
        with self._session.transaction() as connection:
            rows = connection.execute(_sql.dead_letters_to_copy, {"limit": AT_ONCE}).fetchall()
            done = self._send([DeadLetter(*row) for row in rows])
            columns: dict[str, Any] = {
                "topics": [letter.topic for letter in done],
                "topic_ids": [letter.topic_id for letter in done],
                "partitions": [letter.partition for letter in done],
                "offsets": [letter.offset for letter in done],
            }
            connection.execute(_sql.mark_copied, columns)
        return len(done)

    def _send(self, letters: list[DeadLetter]) -> list[DeadLetter]:
        done: list[DeadLetter] = []
        for letter in letters:
            if not self._enqueue(letter, done):
                done.append(letter)
        self._producer.flush(FLUSH_S)
        return done

    def _enqueue(self, letter: DeadLetter, done: list[DeadLetter]) -> bool:
        """Hand one over; return False if it can never be sent, because it is too big for the client."""

        def delivered(error: KafkaError | None, _: Message) -> None:
            # Too big for the topic will be too big for ever: the table has it, the copy is given up.
            if error is None or error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                done.append(letter)
            self._metrics.copies.labels("error" if error else "success").inc()

        try:
            self._producer.produce(
                self._topic, letter.value, letter.key, headers=letter.copied_headers(), on_delivery=delivered
            )
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._metrics.copies.labels("error").inc()
            return False
        return True
