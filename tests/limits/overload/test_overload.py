"""The overload in short: whatever is offered, every process keeps within what it is declared to have, and all counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sumflow import steps, topology
from sumflow.topology.model import Topology
from tests.limits.overload.offering import STREAMS
from tests.limits.overload.run import run

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
SUMS = STREAMS * 20_000


def _declared(declared: Topology) -> Iterator[tuple[str, int | None]]:
    """Return the memory limit of each component's first replica, in bytes."""
    for workload in declared.services:
        yield from ((f"{container.name}-0", container.resources.memory_limit) for container in workload.containers)
    yield from ((f"{database.name}-0", database.resources.memory_limit) for database in declared.databases)
    yield "kafka-0", declared.kafka.resources.memory_limit


def test_an_overload_is_counted_within_the_declared_memory() -> None:
    """As many sums as fit half a minute, and as many while nothing can be counted: none lost, no process too large."""
    result = run(SUMS, steps.Silent())
    assert (result.counted, result.findings) == (result.accepted, [])
    assert result.accepted >= 2 * SUMS
    limits = dict(_declared(topology.load()))
    for sample in result.samples:
        over = {name: taken for name, taken in sample.memory.items() if taken > (limits[name] or 0)}
        assert over == {}, f"beyond the limit in phase {sample.phase!r}"
