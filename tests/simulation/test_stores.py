"""The simulated databases answer as PostgreSQL does, statement by statement: the SQL is part of what is simulated."""

from __future__ import annotations

from random import Random

import pytest

from sumflow.database import migrate
from tests.adder.support import adder_settings
from tests.simulation.real_adder import BothAdders
from tests.simulation.real_totalizer import BothTotalizers
from tests.totalizer.conftest import settings_for

pytestmark = pytest.mark.integration
STATEMENTS = 800
TRANSACTIONS = 200
BATCHES_BETWEEN_REBUILDS = 5


@pytest.mark.parametrize("seed", [1, 2])
def test_the_adders_database_answers_as_postgresql(database_url: str, seed: int) -> None:
    """Four sessions: transactions, request ids, lanes, advisory locks, sessions that end; every answer is the same."""
    migrate(adder_settings(database_url), "sumflow.adder")
    both = BothAdders(database_url, Random(seed))  # noqa: S311
    for _ in range(STATEMENTS):
        both.step()
    both.close()
    assert both.compared > STATEMENTS / 2


@pytest.mark.parametrize("seed", [1, 2])
def test_the_totalizers_database_answers_as_postgresql(database_url: str, seed: int) -> None:
    """The ledger's own statements, committed or rolled back, leave the same rows in both."""
    migrate(settings_for(database_url, "127.0.0.1:1", "sums"), "sumflow.totalizer")
    both = BothTotalizers(database_url, Random(seed))  # noqa: S311
    for _ in range(TRANSACTIONS):
        both.step()
    both.close()
    assert both.counted > TRANSACTIONS / 2
    assert both.settled > TRANSACTIONS / 20


@pytest.mark.parametrize("seed", [1, 2])
def test_a_rebuild_leaves_the_same_in_both(database_url: str, seed: int) -> None:
    """Among batches, what an audit reads of the totalizer and what a rebuild makes of it are the same in both."""
    migrate(settings_for(database_url, "127.0.0.1:1", "sums"), "sumflow.totalizer")
    both = BothTotalizers(database_url, Random(seed))  # noqa: S311
    for number in range(TRANSACTIONS):
        both.step()
        if number % BATCHES_BETWEEN_REBUILDS == 0:
            both.rebuild()
    both.close()
    assert both.rebuilt > TRANSACTIONS / BATCHES_BETWEEN_REBUILDS / 2
    assert both.counted > TRANSACTIONS / 4
