"""The simulation is worth what it catches: every mutant of the protocol dies within an ordinary run."""

from __future__ import annotations

import pytest

from tests.simulation import runner
from tests.simulation.mutant import Mutant
from tests.simulation.mutants import MUTANTS
from tests.simulation.test_simulation import ORDINARY


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutants_die(mutant: Mutant) -> None:
    """The recorded history kills the mutant; where the code has changed since, some history of an ordinary run does."""
    assert runner.kill(mutant, range(ORDINARY)), f"{mutant.name} lives through {ORDINARY} histories"


def test_mutants_leave_no_trace() -> None:
    """After a mutant the protocol is itself again."""
    assert runner.failures(range(20)) == []
