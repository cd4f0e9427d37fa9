"""Which lanes a relay takes: its own adder's at once, those of others when nobody publishes them. Values only."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that is not drained: a row of a survey, column by column.

    Args:
        number: its short name.
        lane: its identity in events.
        owner: the instance whose writer opened it.
        last_seq: its end, when the survey looked.
        closed: whether the end is final.
        claimed: whether some relay, this one or another, publishes it.
    """

    number: int
    lane: UUID
    owner: str
    last_seq: int
    closed: bool
    claimed: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What to claim now, and what to claim if the next survey still finds it unclaimed."""

    claim: tuple[Lane, ...]
    watch: frozenset[int]


def choose(lanes: Iterable[Lane], instance: str, watched: Collection[int]) -> Choice:
    """Decide from a survey.

    A stranger's lane must be seen unclaimed twice: the first time its own relay may be about to claim it, and a lane is
    published with the shortest way by the relay beside its adder.
    """
    free = [lane for lane in lanes if not lane.claimed]
    claim = tuple(lane for lane in free if lane.owner == instance or lane.number in watched)
    return Choice(claim, frozenset(lane.number for lane in free) - {lane.number for lane in claim})
