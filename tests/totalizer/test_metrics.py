"""What the totalizer shows of itself: metrics that are what a batch came to, and logs that do not drown a reader."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from sumflow.telemetry.logs import REPEAT_LOG_S, Seldom
from sumflow.telemetry.metrics import LATENCY_BUCKETS_S, event_processing_latency
from sumflow.totalizer.fold import Acknowledged
from sumflow.totalizer.ledger import Outcome
from sumflow.totalizer.metrics import Metrics


@pytest.mark.parametrize("amount", [0.0, 0.001, 0.0011, 3.0, 10.0, 11.0])
def test_many_equal_observations_are_those_of_one_after_another(amount: float) -> None:
    """Observing at once and one by one show the same."""
    at_once, one_by_one = CollectorRegistry(), CollectorRegistry()
    event_processing_latency(at_once).observe_many(amount, 5)
    single = event_processing_latency(one_by_one)
    for _ in range(5):
        single.observe(amount)
    for registry in (at_once, one_by_one):
        assert registry.get_sample_value("event_processing_latency_seconds_sum") == amount * 5
    for bound in (*map(str, LATENCY_BUCKETS_S), "+Inf"):
        name, labels = "event_processing_latency_seconds_bucket", {"le": bound}
        assert at_once.get_sample_value(name, labels) == one_by_one.get_sample_value(name, labels)


def test_each_record_of_a_batch_has_one_status() -> None:
    """Counted, duplicate, parked, put aside, probe: together the records that were read."""
    registry = CollectorRegistry()
    at = datetime.now(UTC) - timedelta(seconds=3)
    outcome = Outcome(
        counted=9,
        duplicates=2,
        parked=3,
        unparked=4,
        settled=4,
        dead_letters=1,
        probes=1,
        acknowledged=[Acknowledged(at, 5), Acknowledged(at, 4)],
    )
    Metrics(registry, "sums").observe(12, outcome)

    def value(status: str, event_type: str = "sum.calculated") -> float | None:
        labels = {"topic": "sums", "event_type": event_type, "status": status}
        return registry.get_sample_value("kafka_messages_consumed_total", labels)

    assert (value("success"), value("duplicate"), value("parked")) == (5, 2, 3)
    assert (value("dead_letter", "unknown"), value("probe", "unknown")) == (1, 1)
    assert registry.get_sample_value("event_processing_latency_seconds_bucket", {"le": "2.5"}) == 0
    assert registry.get_sample_value("event_processing_latency_seconds_bucket", {"le": "5.0"}) == 9
    assert registry.get_sample_value("totalizer_parked_events") == -1


def test_a_client_that_repeats_itself_is_heard_seldom() -> None:
    """Each kind of line passes once in its time, whatever the others do."""
    now_s = [100.0]
    seldom = Seldom(lambda: now_s[0])

    def passes(text: str) -> bool:
        return seldom.filter(logging.LogRecord("kafka", logging.ERROR, "", 0, text, (), None))

    assert [passes("FAIL [a] refused"), passes("FAIL [b] refused"), passes("GETSUBSCRIPTIONS x")] == [True, False, True]
    now_s[0] += REPEAT_LOG_S
    assert passes("FAIL [a] refused")
