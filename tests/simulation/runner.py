"""Runs many histories, on as many processes as are asked for, and tells those that broke a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from tests.simulation.history import History
from tests.simulation.mutant import Mutant
from tests.simulation.simulated import simulated
from tests.simulation.storage import Violation

CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A history that broke a rule."""

    seed: int
    rule: str

    def __str__(self) -> str:
        return f"{self.rule}\n  see it again, step by step: python -m tests.simulation --replay {self.seed}"


def outcome(seed: int) -> Failure | None:
    """Run one history; return the rule that it broke."""
    try:
        History(seed).run()
    except Violation as violation:
        return Failure(seed, str(violation))
    except Exception as error:
        error.add_note(f"in the history of seed {seed}")
        raise
    return None


def failures(seeds: range) -> list[Failure]:
    """Run histories in this process; return those that failed."""
    with simulated():
        return [failure for seed in seeds if (failure := outcome(seed))]


def failures_of_many(seeds: range, processes: int) -> Iterator[list[Failure]]:
    """Run histories in several processes; yield after every thousand those that failed."""
    chunks = [seeds[i : i + CHUNK] for i in range(0, len(seeds), CHUNK)]
    if processes == 1:
        yield from map(failures, chunks)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(failures, chunks)


def kill(mutant: Mutant, seeds: range) -> Failure | None:
    """Return the first of the histories in which the mutant breaks a rule: its own first, then the others."""
    with simulated(), mutant.applied():
        found = (outcome(seed) for seed in (mutant.seed, *seeds))
        return next(filter(None, found), None)


def census(seeds: range) -> Counter[str]:
    """Run histories; return how often each kind of work, of fault and of end was in them."""
    seen: Counter[str] = Counter()
    with simulated():
        for seed in seeds:
            history = History(seed, is_traced=True)
            history.run()
            seen.update(line.split(maxsplit=1)[1] for line in history.trace or ())
    return seen


def trace(seed: int) -> list[str]:
    """Run one history; return what happened in it, and how it ended."""
    ended = "every rule was kept"
    with simulated():
        history = History(seed, is_traced=True)
        try:
            history.run()
        except Violation as violation:
            ended = f"broken: {violation}"
    assert history.trace is not None
    return [*history.trace, ended]
