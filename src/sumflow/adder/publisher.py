"""One Kafka producer from its start to its first failure; after it the relay throws it away and starts another.

Why no gap can come about: the producer is idempotent, retries for ever (message.timeout.ms=0) and stops for good where
it would have to leave a message out (enable.gapless.guarantee), so what it writes to a partition has no holes,
wherever it ends. The next producer begins right after the acknowledged prefix. Two such runs of one lane may overlap,
even interleave, when the old one's last requests arrive late: each message is then at most one above what either run
had written before, so that a consumer sees duplicates, and never a hole.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from sumflow.adder.lanes import Claim, Prefix
from sumflow.adder.metrics import RelayMetrics
from sumflow.errors import SumflowError
from sumflow.sums.event import LANE_HEADER, SEQ_HEADER, TOTAL_HEADER, TRACEPARENT_HEADER
from sumflow.telemetry.logs import Seldom

MAX_IN_FLIGHT: Final = 50_000
"""Messages on their way at most: what a relay holds in memory when Kafka is away."""
_QUEUE_LIMIT: Final = 2 * MAX_IN_FLIGHT
_POLL_S: Final = 0.2
_METADATA_TIMEOUT_S: Final = 3.0
_CONFIG: Final[dict[str, Any]] = {
    "acks": "all",
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "message.timeout.ms": 0,
    "linger.ms": 1,
    "compression.type": "lz4",
    "queue.buffering.max.messages": _QUEUE_LIMIT,
    "reconnect.backoff.max.ms": 1_000,
    "retry.backoff.max.ms": 500,
    # What was sent to a broker on a lost node is sent again, to the next leader, after this long instead of a minute.
    "request.timeout.ms": 8_000,
    "socket.timeout.ms": 10_000,
}

_kafka_log = logging.getLogger("kafka")
_kafka_log.addFilter(lambda record: "CONFWARN" not in record.getMessage())  # the configuration is meant as it is
_kafka_log.addFilter(Seldom())

Row = tuple[int, int, int, datetime, str | None, str | None]
"""seq, x, y, created_at, traceparent, total."""


class Publisher:
    """Sends events and keeps track of their acknowledgement.

    Args:
        bootstrap: the brokers.
        topic: where events go.
        metrics: where to count.
        on_news: is called from another thread after acknowledgements or a failure.
    """

    def __init__(self, bootstrap: str, topic: str, metrics: RelayMetrics, on_news: Callable[[], None]) -> None:
        self._topic = topic
        self._metrics = metrics
        self._on_news = on_news
        self._failed = metrics.produced.labels(topic, "error")
        self.failure: str | None = None
        self._closing = False
        config = _CONFIG | {"bootstrap.servers": bootstrap, "error_cb": self._on_error}
        self._producer = Producer(config, logger=_kafka_log)
        self._thread = threading.Thread(target=self._serve_callbacks, name="deliveries", daemon=True)
        self._thread.start()

    def has_room(self) -> bool:
        """Tell whether more may be sent now."""
        return len(self._producer) < MAX_IN_FLIGHT and self.failure is None

    def partitions(self) -> int:
        """Ask the brokers for the topic's partitions; blocks, and raises SumflowError if there is no such topic now."""
        try:
            found = self._producer.list_topics(self._topic, timeout=_METADATA_TIMEOUT_S).topics[self._topic]
        except KafkaException as error:
            raise SumflowError("Kafka cannot be reached", why=error.args[0].str()) from error
        if found.error or not found.partitions:
            raise SumflowError(f"the topic {self._topic!r} cannot be used", why=str(found.error or "no partitions"))
        return len(found.partitions)

    def publish(self, claim: Claim, rows: Sequence[Row]) -> None:
        """Hand the lane's next events over; stop early, without harm, at a full queue or a failed producer."""
        began = time.monotonic()
        published_at = _rfc3339(datetime.now(UTC))
        lane_header, key, prefix = (LANE_HEADER, str(claim.lane).encode()), claim.lane.bytes, claim.acknowledged
        produce, encode, delivered = self._producer.produce, claim.encoder.encode, self._delivered
        created: tuple[datetime | None, str] = (None, "")
        last = rows[-1][0]
        try:
            for seq, x, y, created_at, traceparent, total in rows:
                if created_at != created[0]:  # the same for all of a commit
                    created = (created_at, _rfc3339(created_at))
                headers: list[tuple[str, str | bytes | None]] = [lane_header, (SEQ_HEADER, b"%d" % seq)]
                if traceparent:
                    headers.append((TRACEPARENT_HEADER, traceparent.encode()))
                if total:
                    headers.append((TOTAL_HEADER, total.encode()))
                timed = began if seq == last else None
                produce(
                    self._topic,
                    encode(seq, x, y, created[1], published_at),
                    key,
                    claim.partition,
                    partial(delivered, prefix, seq, timed),
                    headers=headers,
                )
                claim.sent_seq = seq
        except BufferError:
            return
        except KafkaException as error:
            self._fail(error.args[0])

    def flush(self, within_s: float) -> None:
        """Wait for acknowledgements; blocks."""
        self._producer.flush(within_s)

    def close(self) -> None:
        """End, and forget what is not acknowledged; blocks for a moment."""
        self._closing = True
        self._thread.join()
        # Not purged: that would be a fatal error of a gapless producer, in the log and for no gain.
        del self._producer  # frees librdkafka's threads here, and not in the event loop's thread at some later time

    def _serve_callbacks(self) -> None:
        while not self._closing:
            if self._producer.poll(_POLL_S):
                self._on_news()

    def _delivered(
        self, prefix: Prefix, seq: int, began: float | None, error: KafkaError | None, _message: object
    ) -> None:
        if self._closing:
            return  # what is dropped is not lost: the next producer sends it again
        if error is not None:
            self._failed.inc()
            self._fail(error)
            return
        prefix.add(seq)
        if began is not None:
            self._metrics.delivery_time.observe(time.monotonic() - began)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        # The first reason is the cause; those that follow are its consequences.
        self.failure = self.failure or error.str()


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
