"""A producer whose brokers are away."""

from __future__ import annotations

import logging

import pytest
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
