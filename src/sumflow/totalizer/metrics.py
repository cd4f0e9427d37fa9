"""The totalizer's metrics: those of the contract, and its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sumflow.sums.event import EVENT_TYPE
from sumflow.telemetry import metrics
from sumflow.totalizer.ledger import Outcome

BATCH_BUCKETS: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
UNKNOWN_TYPE: Final = "unknown"
"""The event_type label of records that are not events of the contract."""


class Metrics:
    """Everything that the totalizer counts.

    Args:
        registry: where the metrics are shown.
        topic: the topic that is read; a label of the contract.
    """

    def __init__(self, registry: CollectorRegistry, topic: str) -> None:
        self._topic = topic
        self._consumed = metrics.kafka_messages_consumed(registry)
        self._latency = metrics.event_processing_latency(registry)
        self._batch = Histogram(
            "totalizer_batch_records", "Records in one transaction.", registry=registry, buckets=BATCH_BUCKETS
        )
        self.transaction_seconds = Histogram(
            "totalizer_transaction_seconds",
            "One batch's transaction, commit included.",
            registry=registry,
            buckets=metrics.LATENCY_BUCKETS_S,
        )
        self._lag = Gauge(
            "totalizer_lag_records",
            "Records of a partition that are not in the total yet.",
            ("topic", "partition"),
            registry=registry,
        )
        self.parked = Gauge(
            "totalizer_parked_events", "Events that wait for a gap in their lane to close.", registry=registry
        )
        self.oldest_parked_seconds = Gauge(
            "totalizer_oldest_parked_seconds", "How long the oldest parked event has waited.", registry=registry
        )
        self.unexplained = Gauge(
            "totalizer_total_unexplained",
            "1 while the total is not what its lanes and foreign events make: somebody changed a row.",
            registry=registry,
        )
        self._dead_letters = Counter(
            "totalizer_dead_letters_total", "Records put aside because they cannot be counted.", registry=registry
        )
        self.copies = Counter(
            "totalizer_dead_letter_copies_total",
            "Dead letters sent to the dead-letter topic, by status `success` or `error`.",
            ("status",),
            registry=registry,
        )
        self.ownership_lost = Counter(
            "totalizer_ownership_lost_total",
            "Batches given up because another consumer had moved the partition's offset.",
            registry=registry,
        )
        self.troubles = Counter(
            "totalizer_troubles_total", "Times that reading started anew from the stored offsets.", registry=registry
        )
        self.halted = Gauge(
            "totalizer_halted", "1 while reading on would skip something, so nothing is read.", registry=registry
        )

    def observe(self, records: int, outcome: Outcome) -> None:
        """Count what a committed batch came to."""
        self._batch.observe(records)
        counted_now = sum(group.count for group in outcome.acknowledged)
        read = {
            (EVENT_TYPE, "success"): counted_now - outcome.settled,
            (EVENT_TYPE, "duplicate"): outcome.duplicates,
            (EVENT_TYPE, "parked"): outcome.parked,
            (UNKNOWN_TYPE, "dead_letter"): outcome.dead_letters,
            (UNKNOWN_TYPE, "probe"): outcome.probes,
        }
        for (event_type, status), count in read.items():
            self._consumed.labels(self._topic, event_type, status).inc(count)
        self._dead_letters.inc(outcome.dead_letters)
        self.parked.inc(outcome.parked - outcome.unparked)
        now = datetime.now(UTC)
        for group in outcome.acknowledged:
            self._latency.observe_many(max((now - group.at).total_seconds(), 0.0), group.count)

    def show_lag(self, partition: int, records: int) -> None:
        """Show how many records of a partition are not in the total yet."""
        self._lag.labels(self._topic, str(partition)).set(records)

    def forget_lag(self) -> None:
        """Show no lag any more: the partitions are another's."""
        self._lag.clear()
