"""Decides from where each partition is read: what PostgreSQL stored against what Kafka has; pure.

Nothing is skipped and nothing is reset: where the two do not fit, the answer is a Halt with a reason and a remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sumflow.sums.remedies import REBUILD


@dataclass(frozen=True, slots=True)
class Halt:
    """Why reading must not go on, and what a person does about it."""

    reason: str
    remedy: str
    passing: bool = False
    """Nothing is missing: it is only not there yet."""


@dataclass(frozen=True, slots=True)
class StoredOffset:
    """A row of `offsets`."""

    next_offset: int
    topic_id: UUID


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """The topic as Kafka has it now: its identity, and each partition's first offset and end offset."""

    topic_id: UUID
    first_offsets: Mapping[int, int]
    end_offsets: Mapping[int, int]


_REBUILD = f"{REBUILD}, and reading goes on"
_RECREATE = f"create it again: `sumflow down && sumflow up` or `sumflow deploy` does. Then {_REBUILD}"


def decide_identity(topic: str, facts: TopicFacts | None, stored: Mapping[int, StoredOffset]) -> Halt | None:
    """Tell whether this is the topic that the stored offsets belong to; `facts` is None if it does not exist."""
    if facts is None:
        if stored:
            # Brokers of Kafka 3.7 that have just started say so, too, for some seconds.
            reason = f"Kafka does not know the topic {topic}, for which offsets are stored: it was deleted"
            return Halt(f"{reason}, or the brokers have just started", f"If that stays so: {_RECREATE}")
        return Halt(f"the topic {topic} does not exist", "Create it; it is then read from its beginning.", passing=True)
    if others := {str(offset.topic_id) for offset in stored.values()} - {str(facts.topic_id)}:
        told = f"it is {facts.topic_id}, offsets are stored for {', '.join(sorted(others))}"
        return Halt(f"the topic {topic} was recreated: {told}", _REBUILD)
    return None


def decide_positions(
    topic: str, partitions: Iterable[int], facts: TopicFacts | None, stored: Mapping[int, StoredOffset]
) -> dict[int, int] | Halt:
    """Return the next offset of each partition, or why there is none."""
    halt = decide_identity(topic, facts, stored)
    if halt or facts is None:
        return halt or Halt(f"the topic {topic} does not exist", "Create it.", passing=True)
    positions = {partition: stored[partition].next_offset if partition in stored else 0 for partition in partitions}
    for partition, position in positions.items():
        if partition not in facts.end_offsets:
            return Halt(
                f"{topic}/{partition} is assigned, but not every broker knows it",
                "Reading begins when they do.",
                passing=True,
            )
        first, end = facts.first_offsets[partition], facts.end_offsets[partition]
        if not first <= position <= end:
            known = "the next to count" if partition in stored else "nothing of it was ever counted: the next"
            missing = "retention has taken some" if position < first else "records were lost"
            reason = f"{topic}/{partition}: {known} is {position}, but Kafka has {first} to {end}: {missing}"
            return Halt(reason, _REBUILD)
    return positions


def have_moved(positions: Mapping[int, int], stored: Mapping[int, StoredOffset]) -> bool:
    """Tell whether somebody else has set the next offset of a partition that is read."""
    return any(partition not in stored or stored[partition].next_offset != at for partition, at in positions.items())
