"""Looks at a system each second: how much memory its processes take, and how much waits in its queues."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from sumflow.client.totals import Totals
from sumflow.errors import SumflowError
from sumflow.local.facade import SystemStatus
from sumflow.local.status import memory_of
from tests.limits.overload.flatness import Sample

EVERY_S: Final = 1.0
QUEUES: Final = {
    "adder": "adder_pending_additions",
    "relay": "relay_unpublished_events",
    "totalizer": "totalizer_lag_records",
}
"""What waits in front of each service, by the metric that tells it."""


class Watch:
    """Samples in a thread of its own; a context manager.

    Args:
        status: the system's processes, which must stay the same.
        pages: where each service's metrics are.
        totals: the totalizer.
        accepted: tells how many sums are acknowledged.
    """

    def __init__(
        self, status: SystemStatus, pages: Mapping[str, str], totals: Totals, accepted: Callable[[], int]
    ) -> None:
        self._processes = {one.name: psutil.Process(one.pid) for one in status.components if one.pid}
        self._pages = pages
        self._totals = totals
        self._accepted = accepted
        self._counted = 0
        self._began_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self._failure: Exception | None = None
        self.phase = ""
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            with httpx.Client(trust_env=False, timeout=30.0) as http:
                while not self._stopping.wait(EVERY_S):
                    self.samples.append(self._sample(http))
        except Exception as error:  # noqa: BLE001, told at the end
            self._failure = error

    def _sample(self, http: httpx.Client) -> Sample:
        memory = {name: memory_of(process) for name, process in self._processes.items()}
        if gone := [name for name, taken in memory.items() if not taken]:
            raise AssertionError(f"ended: {', '.join(gone)}")
        queues = {name: waiting(http.get(page).text, QUEUES[name]) for name, page in self._pages.items()}
        return Sample(time.monotonic() - self._began_s, self.phase, self._accepted(), self._count(), memory, queues)

    def _count(self) -> int:
        """Return the sums counted, each 1 + 1; what was seen last while the total cannot be read."""
        with contextlib.suppress(SumflowError):
            self._counted = self._totals.total() // 2
        return self._counted


def waiting(page: str, metric: str) -> float:
    """Return the sum of a metric over its labels, of a page of metrics in Prometheus' text."""
    families = text_string_to_metric_families(page)
    return sum(sample.value for family in families for sample in family.samples if sample.name == metric)
