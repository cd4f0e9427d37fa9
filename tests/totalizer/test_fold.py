"""The fold against a model that is too simple to be wrong: a lane counts its contiguous prefix, each event once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from sumflow.sums.event import Event, Payload
from sumflow.totalizer.fold import Acknowledged, acknowledged, distinct, fold, fold_lane
from sumflow.totalizer.records import ForeignEvent, LaneEvent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(result: int, at: datetime = NOON, event_id: UUID | None = None) -> Event:
    """Return an event of some result."""
    return Event(event_id or uuid4(), "sum", "a", "sum.calculated", Payload(result, 0, result), at)


def events(seqs: list[int]) -> list[LaneEvent]:
    """Return a lane's events; the result of each says which it is."""
    return [LaneEvent(seq, event(10**seq), 0, offset) for offset, seq in enumerate(seqs)]


def prefix(seqs: set[int]) -> int:
    """Return how far the seqs go from 1 without a gap: the model."""
    mark = 0
    while mark + 1 in seqs:
        mark += 1
    return mark


def test_order_counts() -> None:
    """Events in order all count."""
    folded = fold_lane(2, events([3, 4, 5]))
    assert (folded.mark, folded.count, folded.sum, folded.duplicates, folded.ahead) == (5, 3, 111000, 0, ())


def test_what_is_not_beyond_the_mark_is_a_duplicate() -> None:
    """An event that is in the total already changes nothing."""
    folded = fold_lane(4, events([3, 4, 4]))
    assert (folded.mark, folded.count, folded.sum, folded.duplicates) == (4, 0, 0, 3)


def test_what_is_beyond_a_gap_waits() -> None:
    """After a gap nothing counts, twice the same waits once."""
    folded = fold_lane(1, events([2, 4, 5, 4]))
    assert (folded.mark, folded.sum, folded.duplicates) == (2, 100, 1)
    assert [e.seq for e in folded.ahead] == [4, 5]


@given(st.lists(st.integers(1, 12), max_size=40))
def test_a_lane_counts_its_contiguous_prefix_once(seqs: list[int]) -> None:
    """Whatever the order and the duplicates, the sum is that of the prefix without a gap, each event once."""
    folded = fold_lane(0, events(seqs))
    mark = prefix(set(seqs))
    assert (folded.mark, folded.count) == (mark, mark)
    assert folded.sum == sum(10**seq for seq in range(1, mark + 1))
    assert {e.seq for e in folded.ahead} == {seq for seq in seqs if seq > mark}
    assert folded.count + folded.duplicates + len(folded.ahead) == len(seqs)


@given(st.lists(st.integers(1, 12), max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_where_batches_are_split_does_not_matter(seqs: list[int], cuts: list[int]) -> None:
    """Folding in pieces, what waits read again with the next piece, comes to the same as folding at once."""
    bounds = [0, *sorted(min(cut, len(seqs)) for cut in cuts), len(seqs)]
    read, mark, total = events(seqs), 0, 0
    waiting: tuple[LaneEvent, ...] = ()
    for start, end in pairwise(bounds):
        folded = fold_lane(mark, [*waiting, *read[start:end]])
        mark, total, waiting = folded.mark, total + folded.sum, folded.ahead
    whole = fold_lane(0, read)
    assert (mark, total, {e.seq for e in waiting}) == (whole.mark, whole.sum, {e.seq for e in whole.ahead})


def test_lanes_do_not_disturb_each_other() -> None:
    """Each lane is folded onto its own mark."""
    one, two = uuid4(), uuid4()
    folds = fold({one: 0, two: 7}, {one: events([1]), two: events([1, 8])})
    assert (folds[one].mark, folds[two].mark, folds[two].duplicates) == (1, 8, 1)


def test_of_foreign_events_with_one_id_the_first_is_taken() -> None:
    """Ids are unique and come in their order, which is the order of locking."""
    ids = sorted(uuid4() for _ in range(3))
    read = [event(5, event_id=ids[2]), event(1, event_id=ids[0]), event(9, event_id=ids[2]), event(2, event_id=ids[1])]
    found = distinct(map(ForeignEvent, read))
    assert [(key, e.event.payload.result) for key, e in found.items()] == [(ids[0], 1), (ids[1], 2), (ids[2], 5)]


def test_additions_of_one_moment_are_observed_together() -> None:
    """One group a commit; a time without zone is UTC."""
    later = NOON + timedelta(seconds=1)
    read = [event(1), event(2), event(3, later), event(4, NOON.replace(tzinfo=None))]
    assert list(acknowledged(read)) == [Acknowledged(NOON, 2), Acknowledged(later, 1), Acknowledged(NOON, 1)]
