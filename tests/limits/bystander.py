"""A well-behaved client beside the hostile ones: whether it is served, with right answers, and how long that takes."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from sumflow import steps
from tests.servers import await_ready

PATIENCE_S: Final = 60.0


class Bystander:
    """Asks one question after another in a thread of its own, for as long as the block lasts.

    Args:
        ask: one question; raises if it is not answered, or wrongly.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.latencies_s: list[float] = []
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join(PATIENCE_S)

    def await_answers(self, count: int) -> None:
        """Wait until so many more questions are answered; fail if one was not."""
        goal = len(self.latencies_s) + count
        await_ready("the well-behaved client", lambda: self._has(goal), PATIENCE_S)
        assert self.failure is None, repr(self.failure)

    def median_ms(self) -> float:
        """Return the median time to an answer in milliseconds."""
        return 1000 * statistics.median(self.latencies_s)

    def _has(self, goal: int) -> steps.Readiness:
        if self.failure is not None or len(self.latencies_s) >= goal:
            return steps.Ready()
        return steps.NotYet(f"{len(self.latencies_s)} of {goal} answers")

    def _run(self) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                self._ask()
            except Exception as error:  # noqa: BLE001, told by the test
                self.failure = error
                return
            self.latencies_s.append(time.monotonic() - began)
