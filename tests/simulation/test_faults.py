"""The faults of the set of histories really occur, and often: a fault that never happens proves nothing."""

from __future__ import annotations

from collections import Counter
from types import CodeType

import pytest

from tests.simulation import crash_points, rebuild_store, totalizer_store
from tests.simulation.faults import AFTERMATH, FAULTS
from tests.simulation.happenings import WORK
from tests.simulation.history import History
from tests.simulation.simulated import simulated
from tests.simulation.test_simulation import ORDINARY

pytestmark = pytest.mark.timeout(1800)
LEAST = 20
"""So many of the ordinary run's histories have each fault; of a hundred thousand, fifty times as many."""
ENOUGH = 10 * ORDINARY
"""Within so many histories every place is met at which something can break off."""


@pytest.fixture(scope="module")
def histories() -> Seen:
    """What an ordinary run's histories meet."""
    seen = Seen()
    with simulated():
        for seed in range(ENOUGH):
            if seed >= ORDINARY and seed % 100 == 0 and seen.is_complete:
                break
            seen.live_through(seed)
    return seen


class Seen:
    """What happened in histories.

    `happenings` counts histories, by the names of what happened in them; `stops` has code and line of processes that
    were killed; `failures` has the statements at which a totalizer's transaction failed.
    """

    def __init__(self) -> None:
        self.happenings: Counter[str] = Counter()
        self.stops: set[tuple[CodeType, int]] = set()
        self.failures: Counter[str] = Counter()

    @property
    def is_complete(self) -> bool:
        """Whether nothing new can be met."""
        return not self.never_stopped_at() and not self.never_failed_at()

    def never_stopped_at(self) -> set[crash_points.Point]:
        """Return the await points at which no process was killed."""
        return crash_points.points() - crash_points.met(self.stops)

    def never_failed_at(self) -> frozenset[str]:
        """Return the statements at which no transaction failed."""
        return (totalizer_store.STATEMENTS | rebuild_store.STATEMENTS) - self.failures.keys()

    def live_through(self, seed: int) -> None:
        """Run a history and take it in."""
        history = History(seed, is_traced=True)
        history.world.crashes, failures = self.stops, history.world.truth.totalizer.failures
        history.run()
        assert history.trace is not None
        self.happenings.update({line.split()[-1] for line in history.trace})
        self.failures.update(failures)


def test_every_happening_happens_often(histories: Seen) -> None:
    """Each kind of work, of fault and of what follows is met in many histories: none is dead wood."""
    kinds = {happening.__name__ for happening in (*WORK, *FAULTS, *AFTERMATH)}
    assert {kind: histories.happenings[kind] for kind in kinds if histories.happenings[kind] < LEAST} == {}


def test_processes_are_killed_at_every_await_point(histories: Seen) -> None:
    """Writer, lane session and relay session: every await of theirs at which they can wait has been their last one."""
    assert sorted(map(str, histories.never_stopped_at())) == []


def test_transactions_fail_at_every_statement(histories: Seen) -> None:
    """The totalizer, and a rebuild, lose their connection at each statement of each of their transactions."""
    assert sorted(histories.never_failed_at()) == []
