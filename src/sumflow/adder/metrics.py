"""What the adder and the relay count; names that dashboards share come from telemetry."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sumflow.telemetry.metrics import LATENCY_BUCKETS_S, kafka_delivery_latency, kafka_messages_produced

_SIZE_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


class AdderMetrics:
    """Metrics of the adder."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "adder_requests_total", "Answers by method and gRPC status.", ("method", "code"), registry=registry
        )
        self.accepted = Counter(
            "adder_additions_accepted_total", "Additions stored and acknowledged.", registry=registry
        )
        self.commit_size = Histogram(
            "adder_commit_additions", "Additions in one commit.", registry=registry, buckets=_SIZE_BUCKETS
        )
        self.commit_time = Histogram(
            "adder_commit_seconds", "From taking a group to its commit.", registry=registry, buckets=LATENCY_BUCKETS_S
        )
        self.pending = Gauge("adder_pending_additions", "Additions that wait for a commit.", registry=registry)
        self.streams = Gauge("adder_streams", "Streams of batches that are open.", registry=registry)
        self.lanes = Counter("adder_lanes_opened_total", "Lanes opened: one for each session.", registry=registry)


class RelayMetrics:
    """Metrics of the relay."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.produced = kafka_messages_produced(registry)
        self.delivery_time = kafka_delivery_latency(registry)
        self.claimed = Gauge("relay_lanes_claimed", "Lanes that this relay publishes.", registry=registry)
        self.adopted = Counter("relay_lanes_adopted_total", "Lanes taken over from others.", registry=registry)
        self.unpublished = Gauge(
            "relay_unpublished_events",
            "Stored events of claimed lanes that Kafka has not acknowledged.",
            registry=registry,
        )
        self.restarts = Counter(
            "relay_producer_restarts_total", "Producers given up after a failed delivery.", registry=registry
        )
