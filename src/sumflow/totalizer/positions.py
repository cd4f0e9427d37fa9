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


_INTACT = (
    "The totals are intact up to here, and what was counted already is not counted again. "
    "Restore the topic, or bring what is missing in from the adder's database; to go on with the topic as it is: "
)


def decide_identity(topic: str, facts: TopicFacts | None, stored: Mapping[int, StoredOffset]) -> Halt | None:
    """Tell whether this is the topic that the stored offsets belong to; `facts` is None if it does not exist."""
    forget = f"{_INTACT}`DELETE FROM offsets WHERE topic = '{topic}'` in the totalizer's database"  # noqa: S608, to be read
    if facts is None:
        if stored:
            return Halt(f"the topic {topic} was deleted: offsets are stored for it, Kafka does not know it", forget)
        return Halt(f"the topic {topic} does not exist", "Create it; it is then read from its beginning.")
    if others := {str(offset.topic_id) for offset in stored.values()} - {str(facts.topic_id)}:
        told = f"it is {facts.topic_id}, offsets are stored for {', '.join(sorted(others))}"
        return Halt(f"the topic {topic} was recreated: {told}", forget)
    return None


def decide_positions(
    topic: str, partitions: Iterable[int], facts: TopicFacts | None, stored: Mapping[int, StoredOffset]
) -> dict[int, int] | Halt:
    """Return the next offset of each partition, or why there is none."""
    halt = decide_identity(topic, facts, stored)
    if halt or facts is None:
        return halt or Halt(f"the topic {topic} does not exist", "Create it.")
    positions = {partition: stored[partition].next_offset if partition in stored else 0 for partition in partitions}
    for partition, position in positions.items():
        if partition not in facts.end_offsets:
            return Halt(
                f"{topic}/{partition} is assigned, but not every broker knows it", "Reading begins when they do."
            )
        first, end = facts.first_offsets[partition], facts.end_offsets[partition]
        if not first <= position <= end:
            known = "the next to count" if partition in stored else "nothing of it was ever counted: the next"
            missing = "retention has taken some" if position < first else "records were lost"
            reason = f"{topic}/{partition}: {known} is {position}, but Kafka has {first} to {end}: {missing}"
            return Halt(reason, _INTACT + _accept(topic, partition, facts.topic_id, first))
    return positions


def have_moved(positions: Mapping[int, int], stored: Mapping[int, StoredOffset]) -> bool:
    """Tell whether somebody else has set the next offset of a partition that is read."""
    return any(partition not in stored or stored[partition].next_offset != at for partition, at in positions.items())


def _accept(topic: str, partition: int, topic_id: UUID, first: int) -> str:
    row = f"('{topic}', {partition}, '{topic_id}', {first}, {first})"
    return (
        f"`INSERT INTO offsets (topic, partition, topic_id, next_offset, end_offset) VALUES {row} "  # noqa: S608, to be read
        "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset` in the totalizer's database"
    )
