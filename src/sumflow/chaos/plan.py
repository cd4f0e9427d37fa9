"""Decides by a seed what is broken when; pure, so that the same seed breaks the same things at the same moments."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from sumflow.chaos.faults import Fault, Kind, Offers

FIRST_AT_S: Final = 1.5
"""The load runs undisturbed first, so that there is something to compare with."""
QUIET_SHARE: Final = 0.2
"""Of the whole duration nothing is broken at the end: what was broken last is watched while it recovers."""
GAP_S: Final = (0.3, 2.5)
OVERLAP: Final = 0.35
"""How often a fault begins while the one before it lasts."""

LENGTHS_S: Final = {
    Kind.KILL: (0.0, 0.0),
    Kind.RESTART: (0.0, 0.0),
    Kind.FREEZE: (1.0, 6.0),
    Kind.CUT: (0.5, 4.0),
    Kind.STALL: (1.0, 6.0),
    Kind.SLOW: (2.0, 6.0),
    Kind.DISK: (1.0, 4.0),
}
"""How long each kind lasts at least and at most, in seconds: shorter and longer than what services wait for."""

TURNS: Final = {Kind.KILL: 3, Kind.FREEZE: 2, Kind.RESTART: 2}
"""How often these have their turn before all others have had theirs once: what happens most in the world."""

T = TypeVar("T")


def plan(offers: Offers, seed: int, duration_s: float) -> tuple[Fault, ...]:
    """Return the faults in their order; the kinds take turns, and so do the targets of each, both shuffled.

    Args:
        offers: what may be broken.
        seed: decides everything else.
        duration_s: when the quiet at the end is over; shorter ones leave no room for long faults.
    """
    dice = random.Random(seed)  # noqa: S311 - it must be repeatable, nobody must be surprised
    kinds = _in_turns([kind for kind in sorted(offers) for _ in range(TURNS.get(kind, 1))], dice)
    targets = {kind: _in_turns(sorted(offers[kind]), dice) for kind in sorted(offers)}
    return tuple(_faults(kinds, targets, dice, duration_s * (1 - QUIET_SHARE))) if offers else ()


def _faults(
    kinds: Iterator[Kind], targets: dict[Kind, Iterator[str]], dice: random.Random, end_s: float
) -> Iterator[Fault]:
    at_s, number = FIRST_AT_S, 0
    free_at_s: dict[str, float] = {}
    while at_s < end_s:  # each turn moves at_s on by the shortest gap at least
        kind = next(kinds)
        target, lasts_s = next(targets[kind]), dice.uniform(*LENGTHS_S[kind])
        at_s = max(at_s, free_at_s.get(target, 0.0))  # one at a time on one target: each is taken back by itself
        lasts_s = min(lasts_s, end_s - at_s)
        if lasts_s >= LENGTHS_S[kind][0]:
            number += 1
            fault = Fault(number, kind, target, round(at_s, 2), round(lasts_s, 2))
            free_at_s[target] = fault.ends_at_s + GAP_S[0]
            yield fault
            at_s += lasts_s * (0.5 if dice.random() < OVERLAP else 1.0)
        at_s += dice.uniform(*GAP_S)


def _in_turns(items: Sequence[T], dice: random.Random) -> Iterator[T]:
    """Yield all items in a shuffled order, then again in another, for ever."""
    while True:
        yield from dice.sample(items, len(items))
