"""The simulation by hand: many histories, one history step by step, what they are made of, what kills a mutant."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Final

from tests.simulation import runner
from tests.simulation.faults import AFTERMATH, FAULTS
from tests.simulation.happenings import WORK
from tests.simulation.mutants import MUTANTS

SEEDS_A_SECOND: Final = 10_000
"""More than can be run in a second: runs that begin at different times have no seed in common."""
PROGRESS_S: Final = 60.0


def main() -> int:
    """Read the arguments and run; return 1 if a rule was broken or a mutant lives."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=2_000, help="how many to run (nightly: 1000000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--fresh", action="store_true", help="begin at a seed that no run has begun at: the time's")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=int, metavar="SEED", help="show one history")
    parser.add_argument("--mutants", action="store_true", help="show which history kills which mutant")
    parser.add_argument("--census", action="store_true", help="show how much of everything a history has")
    given = parser.parse_args()
    if given.replay is not None:
        _say("\n".join(runner.trace(given.replay)))
        return 0
    first = int(time.time()) * SEEDS_A_SECOND if given.fresh else given.first
    seeds = range(first, first + given.histories)
    if given.census:
        return _census(seeds)
    return _mutants(seeds) if given.mutants else _histories(seeds, given.processes)


def _histories(seeds: range, processes: int) -> int:
    _say(f"seeds {seeds.start} to {seeds.stop - 1}")
    began, done, failed, shown_s = time.monotonic(), 0, 0, time.monotonic()
    for failures in runner.failures_of_many(seeds, processes):
        done = min(done + runner.CHUNK, len(seeds))
        failed += len(failures)
        for failure in failures:
            _say(f"seed {failure.seed}: {failure}")
        if (now_s := time.monotonic()) - shown_s > PROGRESS_S:
            shown_s = now_s
            _say(f"  {done:,} histories, {failed} broke a rule, {now_s - began:.0f} s")
    took_s = time.monotonic() - began
    _say(f"{done:,} histories, {failed} broke a rule, {took_s:.1f} s, {done / took_s:,.0f}/s on {processes} processes")
    return bool(failed)


def _census(seeds: range) -> int:
    seen = runner.census(seeds)
    faults = sum(seen[name] for name in {fault.__name__ for fault in (*FAULTS, *AFTERMATH)})
    work = sum(seen[name] for name in {happening.__name__ for happening in WORK})
    _say(f"{work / len(seeds):7.3f} of work and {faults / len(seeds):.3f} faults in a history, of these")
    for name, count in sorted(seen.items()):
        _say(f"{count / len(seeds):7.3f} {name}")
    return 0


def _mutants(seeds: range) -> int:
    lives = 0
    for mutant in MUTANTS:
        failure = runner.kill(mutant, seeds)
        lives += failure is None
        _say(f"{mutant.name}: " + (f"{failure.seed}: {failure.rule}" if failure else "LIVES"))
    return bool(lives)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
