"""What the producer's client is told, and a producer whose brokers are away."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from sumflow.adder.metrics import RelayMetrics
from sumflow.adder.publisher import Publisher
from sumflow.errors import SumflowError
from tests.ports import free_port


def test_brokers_that_are_away_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """The client tries again many times a second, and says so once in a while."""
    with caplog.at_level(logging.DEBUG, "kafka"):
        publisher = Publisher(f"127.0.0.1:{free_port()}", "sums", RelayMetrics(CollectorRegistry()), lambda: None)
        try:
            with pytest.raises(SumflowError, match="Kafka cannot be reached"):
                publisher.partitions()
        finally:
            publisher.close()
    assert len([record for record in caplog.records if "failed: Connection refused" in record.getMessage()]) <= 1


def test_the_client_is_told_to_leave_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """All replicas acknowledge; retries keep the order, end never, and stop for good where a message would be lost."""
    told: dict[str, Any] = {}

    def making(config: dict[str, Any], **more: Any) -> Producer:
        told.update(config)
        return Producer(config, **more)

    monkeypatch.setattr("sumflow.adder.publisher.Producer", making)
    Publisher("127.0.0.1:1", "sums", RelayMetrics(CollectorRegistry()), lambda: None).close()
    promised = {
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "message.timeout.ms": 0,
    }
    assert {name: told.get(name) for name in promised} == promised
