"""Decides from where each partition is read: what PostgreSQL stored against what Kafka has; pure.

Nothing is skipped and nothing is reset: where the two do not fit, the answer is a Halt with a reason and a remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Halt:
    """Why reading must not go on, and what a person does about it."""

    reason: str
    remedy: str


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


_REBUILD = (
    "The totals are intact up to here. Restore the topic, or bring the missing events in from the adder's database; "
    "then, to accept the topic as it is, delete its rows from the table `offsets`, and it is read from its beginning: "
    "what was counted already is not counted again."
)


def decide_identity(topic: str, facts: TopicFacts | None, stored: Mapping[int, StoredOffset]) -> Halt | None:
    """Tell whether this is the topic that the stored offsets belong to; `facts` is None if it does not exist."""
    if facts is None:
        if stored:
            return Halt(f"the topic {topic} was deleted: offsets are stored for it, Kafka does not know it", _REBUILD)
        return Halt(f"the topic {topic} does not exist", "Create it; it is then read from its beginning.")
    if others := {str(offset.topic_id) for offset in stored.values()} - {str(facts.topic_id)}:
        return Halt(
            f"the topic {topic} was recreated: it is {facts.topic_id}, offsets are stored for {sorted(others)}",
            _REBUILD,
        )
    return None


def decide_positions(
    topic: str, partitions: Iterable[int], facts: TopicFacts | None, stored: Mapping[int, StoredOffset]
) -> dict[int, int] | Halt:
    """Return the next offset of each partition, or why there is none."""
    halt = decide_identity(topic, facts, stored)
    if halt or facts is None:
        return halt or Halt(f"the topic {topic} does not exist", _REBUILD)
    positions: dict[int, int] = {}
    for partition in partitions:
        first, end = facts.first_offsets[partition], facts.end_offsets[partition]
        known = stored.get(partition)
        position = known.next_offset if known else 0
        if halt := _out_of_range(f"{topic}/{partition}", position, first, end, known=known is not None):
            return halt
        positions[partition] = position
    return positions


def _out_of_range(place: str, position: int, first: int, end: int, *, known: bool) -> Halt | None:
    if position < first:
        told = f"the next to count is {position}" if known else "nothing of it was ever counted"
        return Halt(
            f"{place}: {told}, but the first that Kafka still has is {first}: retention has taken some", _REBUILD
        )
    if position > end:
        return Halt(f"{place}: the next to count is {position}, but Kafka ends at {end}: records were lost", _REBUILD)
    return None
