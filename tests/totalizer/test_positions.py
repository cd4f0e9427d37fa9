"""From where reading goes on: only ever from what is stored, or from the very beginning, else it halts."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sumflow.totalizer.positions import Halt, StoredOffset, TopicFacts, decide_identity, decide_positions, have_moved

TOPIC_ID = uuid4()


def facts(first: int, end: int) -> TopicFacts:
    """Return a topic whose two partitions reach from `first` to `end`."""
    return TopicFacts(TOPIC_ID, {0: first, 1: first}, {0: end, 1: end})


def test_reading_goes_on_where_it_was_stored() -> None:
    """Partitions that were read go on at their offset; one that is new, in a topic that is whole, begins at 0."""
    assert decide_positions("sums", [0, 1], facts(0, 9), {0: StoredOffset(9, TOPIC_ID)}) == {0: 9, 1: 0}


@pytest.mark.parametrize(("first", "end"), [(5, 9), (5, 5)])
def test_the_bounds_themselves_are_in_range(first: int, end: int) -> None:
    """The first offset that Kafka has is readable, and its end is where an idle consumer stands."""
    stored = {0: StoredOffset(first, TOPIC_ID), 1: StoredOffset(end, TOPIC_ID)}
    assert decide_positions("sums", [0, 1], facts(first, end), stored) == {0: first, 1: end}


@pytest.mark.parametrize(
    ("stored", "first", "end", "reason"),
    [
        ({}, 1, 9, "nothing of it was ever counted"),
        ({0: StoredOffset(3, TOPIC_ID)}, 4, 9, "the next to count is 3, but Kafka has 4 to 9: retention"),
        ({0: StoredOffset(10, TOPIC_ID)}, 0, 9, "records were lost"),
        ({0: StoredOffset(3, uuid4())}, 0, 9, "was recreated"),
        ({1: StoredOffset(3, uuid4())}, 0, 9, "was recreated"),
    ],
)
def test_nothing_is_skipped(stored: dict[int, StoredOffset], first: int, end: int, reason: str) -> None:
    """Where something is missing or the topic is another, there is a reason instead of a position."""
    found = decide_positions("sums", [0], facts(first, end), stored)
    assert isinstance(found, Halt)
    assert reason in found.reason
    assert "sumflow rebuild" in found.remedy


def test_a_partition_that_not_every_broker_knows_is_awaited() -> None:
    """While a topic grows, the group may assign what the broker that is asked has not heard of."""
    found = decide_positions("sums", [0, 2], facts(0, 9), {})
    assert isinstance(found, Halt)
    assert "sums/2 is assigned" in found.reason


def test_a_topic_that_was_deleted_is_not_one_that_is_not_there_yet() -> None:
    """Without stored offsets it is awaited; with them, something was lost."""
    awaited, lost = decide_identity("sums", None, {}), decide_identity("sums", None, {0: StoredOffset(3, TOPIC_ID)})
    assert awaited is not None
    assert lost is not None
    assert "does not exist" in awaited.reason
    assert "was deleted" in lost.reason
    assert isinstance(decide_positions("sums", [0], None, {}), Halt)


@pytest.mark.parametrize(
    ("stored", "moved"), [({0: 5, 1: 7}, False), ({0: 5, 1: 6}, True), ({0: 5, 1: 8}, True), ({0: 5}, True)]
)
def test_who_reads_notices_that_the_stored_offsets_moved(stored: dict[int, int], moved: bool) -> None:
    """An offset that is not where reading stands was set by somebody else: a restore, another consumer."""
    rows = {partition: StoredOffset(offset, TOPIC_ID) for partition, offset in stored.items()}
    assert have_moved({0: 5, 1: 7}, rows) is moved
