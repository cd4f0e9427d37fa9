"""The overload in short: whatever is offered, services keep within their declared memory, and all sums count."""

from __future__ import annotations

import pytest

from sumflow import steps
from tests.limits.overload.offering import STREAMS
from tests.limits.overload.run import run
from tests.limits.target import memory_limit

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
SUMS = STREAMS * 20_000
SERVICES = ("adder", "relay", "totalizer")


def test_an_overload_is_counted_within_the_declared_memory() -> None:
    """More than can be counted, and as much while nothing can be: none is lost, and no service takes too much."""
    result = run(SUMS, steps.Silent())
    assert (result.counted, result.findings) == (result.accepted, [])
    assert result.accepted >= 2 * SUMS
    for service in SERVICES:
        assert max(sample.memory[f"{service}-0"] for sample in result.samples) < memory_limit(service)
