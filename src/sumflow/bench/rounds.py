"""The measurements, each beside its yardstick, in rounds that alternate which of the two comes first.

What changes slowly on a machine (its clock, its neighbours) then meets both alike; the ratio of a round is what counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from sumflow.bench import echo, loads, yardsticks
from sumflow.bench.figures import Pair, percentile
from sumflow.client.endpoints import Endpoints
from sumflow.settings import Address

_COUNTED_WITHIN_S: Final = 120.0
_LATENCY_ADDITIONS: Final = 300
_LATENCY_EVERY_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class System:
    """Where the running system is that is measured; its total changes by what is added.

    Args:
        endpoints: its two doors.
        database: the connection string of the adder's PostgreSQL, for the yardstick's own table.
        bootstrap: its Kafka.
        topic: whose partitions and replicas the yardstick's topic gets.
    """

    endpoints: Endpoints
    database: str
    bootstrap: str
    topic: str


@dataclass(frozen=True, slots=True)
class Effort:
    """How much each round measures: seconds of calls, sums of each bulk load."""

    seconds: float
    sums: int

    @property
    def additions(self) -> int:
        """`sums` in whole batches of every stream: as many are stored as the rate is taken of."""
        return self.sums - self.sums % (loads.STREAMS * loads.BATCH)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing that is measured: its name, what both numbers are, their unit, and how to take each."""

    name: str
    ours_is: str
    yardstick_is: str
    unit: str
    ours: Callable[[], float]
    yardstick: Callable[[], float]

    def rounds(self, count: int) -> Iterator[Pair]:
        """Measure; yield each round as it ends."""
        for number in range(count):
            if number % 2:
                yardstick, ours = self.yardstick(), self.ours()
            else:
                ours, yardstick = self.ours(), self.yardstick()
            yield Pair(ours, yardstick)


def measurements(system: System, effort: Effort, resources: ExitStack) -> list[Measurement]:
    """Return what is measured on a system; what the yardsticks need ends with `resources`."""
    empty = resources.enter_context(echo.running())
    topic = resources.enter_context(yardsticks.topic(system.bootstrap, system.topic))
    adder = system.endpoints.adder
    return [
        Measurement(
            "accept",
            f"additions accepted, {loads.CALLERS} callers of one each",
            "the same calls to an empty gRPC server of the same library",
            "/s",
            lambda: _unary(adder, effort),
            lambda: _unary(empty, effort),
        ),
        Measurement(
            "batches",
            f"additions accepted, {loads.STREAMS} streams of batches",
            "rows of the same width into the same PostgreSQL by COPY, one session",
            "/s",
            lambda: _batches(system, effort),
            lambda: yardsticks.copy_rate(system.database, effort.additions),
        ),
        Measurement(
            "pipeline",
            "additions from the first call until all are in the total",
            "records of the same size through the same Kafka, written and read, nothing stored",
            "/s",
            lambda: _pipeline(system, effort),
            lambda: yardsticks.kafka_rate(system.bootstrap, topic, effort.additions),
        ),
        Measurement(
            "visible",
            f"from an answer until the total has it, 99th percentile, {1 / _LATENCY_EVERY_S:.0f} additions/s",
            "from Kafka's acknowledgement of a record until its reader has committed a row, 99th percentile",
            "ms",
            lambda: _p99_ms(_visible(system)),
            lambda: _p99_ms(
                yardsticks.counted_after_s(
                    system.bootstrap, topic, system.database, _LATENCY_ADDITIONS, _LATENCY_EVERY_S
                )
            ),
        ),
    ]


def _unary(address: Address, effort: Effort) -> float:
    return asyncio.run(loads.unary_rate(address, effort.seconds))


def _batches(system: System, effort: Effort) -> float:
    rate, positions = asyncio.run(loads.batch_rate(system.endpoints.adder, effort.additions))
    # What is still on its way would be in the way of the next measurement.
    asyncio.run(loads.await_counted(system.endpoints.totalizer_url, positions, _COUNTED_WITHIN_S))
    return rate


def _pipeline(system: System, effort: Effort) -> float:
    return asyncio.run(
        loads.pipeline_rate(system.endpoints.adder, system.endpoints.totalizer_url, effort.additions, _COUNTED_WITHIN_S)
    )


def _visible(system: System) -> list[float]:
    return asyncio.run(
        loads.visible_after_s(
            system.endpoints.adder, system.endpoints.totalizer_url, _LATENCY_ADDITIONS, _LATENCY_EVERY_S
        )
    )


def _p99_ms(waits_s: list[float]) -> float:
    return 1_000 * percentile(waits_s, 0.99)
