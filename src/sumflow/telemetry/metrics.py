"""The metrics that dashboards rely on; names, labels and buckets are part of the contract (DESIGN: contracts)."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

LATENCY_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""1 ms to 10 s, for every latency of the pipeline."""


def kafka_messages_produced(registry: CollectorRegistry) -> Counter:
    """Count records handed to Kafka; status is `success` or `error`."""
    return Counter("kafka_messages_produced_total", "Records sent to Kafka.", ("topic", "status"), registry=registry)


def kafka_messages_consumed(registry: CollectorRegistry) -> Counter:
    """Count records taken from Kafka; status is `success`, `duplicate`, `parked`, `dead_letter` or `probe`."""
    labels = ("topic", "event_type", "status")
    return Counter("kafka_messages_consumed_total", "Records taken from Kafka.", labels, registry=registry)


class WeightedHistogram(Histogram):
    """A histogram that takes many equal observations at once, as a batch brings them."""

    def observe_many(self, amount: float, times: int) -> None:
        """Observe `amount`, `times` times, at the price of one."""
        self._sum.inc(amount * times)
        bucket = bisect_left(self._upper_bounds, amount)
        self._buckets[bucket].inc(times)


def event_processing_latency(registry: CollectorRegistry) -> WeightedHistogram:
    """Observe seconds from the acknowledgement of an addition to its place in the total."""
    return WeightedHistogram(
        "event_processing_latency_seconds",
        "From an addition's acknowledgement to the total that includes it.",
        registry=registry,
        buckets=LATENCY_BUCKETS_S,
    )


def kafka_delivery_latency(registry: CollectorRegistry) -> Histogram:
    """Observe seconds from handing a record to the Kafka client to the brokers' acknowledgement."""
    return Histogram(
        "kafka_delivery_latency_seconds",
        "From handing a record to the Kafka client to the brokers' acknowledgement.",
        registry=registry,
        buckets=LATENCY_BUCKETS_S,
    )
