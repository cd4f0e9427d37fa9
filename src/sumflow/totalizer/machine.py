"""Decides what the consumer does next: a pure state machine over typed events; the consumer only carries out.

There is one way back from every trouble: stop fetching, look up where PostgreSQL and Kafka stand, and start there.
So a lost connection, a commit of unknown outcome, a lost partition and a new assignment are all the same case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from sumflow.totalizer.positions import Halt

RETRY_FIRST_S: Final = 0.1
RETRY_LIMIT_S: Final = 5.0
RECHECK_HALT_S: Final = 5.0
CHECK_TOPIC_S: Final = 10.0


class Joining(msgspec.Struct, frozen=True):
    """The group has not answered yet."""


class Idle(msgspec.Struct, frozen=True):
    """The group has given us nothing to read: others have all of it."""


class Positioning(msgspec.Struct, frozen=True):
    """Partitions are ours, but from where to read them is not known; nothing is fetched."""

    not_before_s: float
    trouble: str = ""


class Consuming(msgspec.Struct, frozen=True):
    """Reading; the next offset of each partition."""

    positions: Mapping[int, int]


class Halted(msgspec.Struct, frozen=True):
    """Reading on would skip something. Nothing is fetched until the situation is repaired."""

    halt: Halt
    recheck_at_s: float


class Stopped(msgspec.Struct, frozen=True):
    """The consumer leaves the group."""


Phase = Joining | Idle | Positioning | Consuming | Halted | Stopped


class State(msgspec.Struct, frozen=True):
    """What the consumer is doing and for which partitions.

    Args:
        check_topic_at_s: when it next looks at the topic's identity.
        failures: troubles since the last commit; the more there are, the longer it waits.
    """

    phase: Phase = Joining()
    partitions: frozenset[int] = frozenset()
    check_topic_at_s: float = 0.0
    failures: int = 0


class Assigned(msgspec.Struct, frozen=True):
    """The group gives these partitions to us, in place of those before."""

    partitions: frozenset[int]


class Revoked(msgspec.Struct, frozen=True):
    """The group takes all partitions from us."""


class Positioned(msgspec.Struct, frozen=True):
    """The look-up found from where to read."""

    positions: Mapping[int, int]


class MustHalt(msgspec.Struct, frozen=True):
    """Stored offsets and topic do not fit."""

    halt: Halt


class TopicFits(msgspec.Struct, frozen=True):
    """The topic is the one that the stored offsets belong to."""


class Committed(msgspec.Struct, frozen=True):
    """A batch's transaction is committed; the next offsets of its partitions."""

    next_offsets: Mapping[int, int]


class Trouble(msgspec.Struct, frozen=True):
    """The database or Kafka failed, or a partition turned out to be another's: what was under way is void."""

    reason: str


class CheckFailed(msgspec.Struct, frozen=True):
    """Whether the topic is still the same could not be found out now."""


class Tick(msgspec.Struct, frozen=True):
    """Time passed."""


class StopRequested(msgspec.Struct, frozen=True):
    """The process is asked to end."""


Event = (
    Assigned | Revoked | Positioned | MustHalt | TopicFits | Committed | Trouble | CheckFailed | Tick | StopRequested
)


class StopFetching(msgspec.Struct, frozen=True):
    """Fetch nothing; stay in the group."""


class Release(msgspec.Struct, frozen=True):
    """Give the group its partitions back."""


class Fetch(msgspec.Struct, frozen=True):
    """Fetch from exactly these offsets."""

    positions: Mapping[int, int]


class LookUp(msgspec.Struct, frozen=True):
    """Look up where PostgreSQL and Kafka stand; the answer is Positioned, MustHalt or Trouble."""

    partitions: frozenset[int]


class CheckTopic(msgspec.Struct, frozen=True):
    """Look whether the topic is still the same; the answer is TopicFits, MustHalt or CheckFailed."""


class TellKafka(msgspec.Struct, frozen=True):
    """Commit these offsets to Kafka too, for the tools that show lag."""

    next_offsets: Mapping[int, int]


class Leave(msgspec.Struct, frozen=True):
    """Leave the group; the end."""


Action = StopFetching | Release | Fetch | LookUp | CheckTopic | TellKafka | Leave
Decision = tuple[State, tuple[Action, ...]]


def decide(state: State, event: Event, now_s: float) -> Decision:
    """Return the state after an event and what is to be done, in order. Once stopped, nothing is."""
    if isinstance(state.phase, Stopped):
        return state, ()
    match event:
        case Assigned(partitions):
            return _position(replace(state, partitions=partitions), now_s)
        case Revoked():
            return replace(state, phase=_without_partitions(state.phase), partitions=frozenset()), (Release(),)
        case StopRequested():
            return replace(state, phase=Stopped()), (StopFetching(), Leave())
        case Tick():
            return _tick(state, now_s)
        case MustHalt(halt):
            return replace(state, phase=Halted(halt, now_s + RECHECK_HALT_S)), (StopFetching(),)
        case _:
            return _progress(state, event, now_s)


def _progress(state: State, event: Event, now_s: float) -> Decision:
    """Decide on what our own work reports; a report that comes too late for its phase changes nothing."""
    match event, state.phase:
        case Positioned(positions), Positioning() | Halted() if positions.keys() == state.partitions:
            return replace(state, phase=Consuming(positions)), (Fetch(positions),)
        case Committed(next_offsets), Consuming(positions):
            moved = Consuming({**positions, **next_offsets})
            return replace(state, phase=moved, failures=0), (TellKafka(next_offsets),)
        case TopicFits(), Halted():
            return _position(state, now_s)
        case Trouble(reason), Consuming() | Positioning():
            return _retry(state, reason, now_s), (StopFetching(),)
        case _:
            return state, ()


def _position(state: State, now_s: float) -> Decision:
    if not state.partitions:
        return replace(state, phase=Idle()), (StopFetching(),)
    return replace(state, phase=Positioning(now_s)), (StopFetching(),)


def _without_partitions(phase: Phase) -> Phase:
    return phase if isinstance(phase, Halted) else Idle()


def _retry(state: State, reason: str, now_s: float) -> State:
    """Try again: at once after the first trouble, then less and less often."""
    failures = state.failures + 1
    delay_s = 0.0 if failures == 1 else min(RETRY_FIRST_S * 2.0 ** min(failures - 2, 10), RETRY_LIMIT_S)
    return replace(state, phase=Positioning(now_s + delay_s, reason), failures=failures)


def _tick(state: State, now_s: float) -> Decision:
    match state.phase:
        case Positioning(not_before_s) if now_s >= not_before_s:
            return state, (LookUp(state.partitions),)
        case Halted(halt, recheck_at_s) if now_s >= recheck_at_s:
            look: Action = LookUp(state.partitions) if state.partitions else CheckTopic()
            again = Halted(halt, now_s + RECHECK_HALT_S)
            return replace(state, phase=again), (look,)
        case _ if now_s >= state.check_topic_at_s:
            return replace(state, check_topic_at_s=now_s + CHECK_TOPIC_S), (CheckTopic(),)
        case _:
            return state, ()
