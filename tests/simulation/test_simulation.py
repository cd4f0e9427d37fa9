"""Thousands of histories of the real code, none of which may break a rule.

2,000 in an ordinary run, 100,000 in CI; SUMFLOW_SIMULATION_HISTORIES sets another number (a million, nightly).
"""

from __future__ import annotations

import gc
import os

import pytest

from tests.simulation import runner
from tests.simulation.history import History
from tests.simulation.simulated import simulated

ORDINARY = 2_000
IN_CI = 100_000
HISTORIES = int(os.environ.get("SUMFLOW_SIMULATION_HISTORIES") or (IN_CI if os.environ.get("CI") else ORDINARY))


@pytest.mark.timeout(4 * 3600)
def test_no_history_breaks_a_rule() -> None:
    """Whatever fails and in whatever order: nothing is lost, nothing counts twice, and all comes to rest or halts."""
    processes = 1 if HISTORIES <= ORDINARY else os.cpu_count() or 1
    failures = [f for chunk in runner.failures_of_many(range(HISTORIES), processes) for f in chunk]
    assert not failures, "\n".join(map(str, failures[:5]))


def test_a_history_replays_exactly() -> None:
    """The same seed gives the same history, step by step; another seed gives another."""
    assert [runner.trace(seed) for seed in range(50)] == [runner.trace(seed) for seed in range(50)]
    assert runner.trace(1) != runner.trace(2)


def test_histories_leave_nothing_to_the_garbage_collector() -> None:
    """What a history was made of is free when it ends; that keeps memory flat."""
    with simulated():
        gc.collect()
        for seed in range(20):
            History(seed).run()
        assert gc.collect() == 0
