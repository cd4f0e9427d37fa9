"""Names of totals in records: read, refused, and folded as part of the lane's contiguous prefix; pure."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.sums.event import TOTAL_HEADER
from sumflow.sums.totals import Tallies, Tally
from sumflow.totalizer.fold import fold_lane
from sumflow.totalizer.records import sort
from tests.totalizer.records import FakeRecord, Lane, foreign, foreign_value, named

NAME = "Größe/ä ?#"


def test_the_header_is_read() -> None:
    """With a lane and without; an empty header is no name."""
    lane = Lane()
    batch = sort([named(lane, 1, NAME), named(lane, 2, ""), foreign(uuid4(), "x", 1, 5), lane.record(3)])
    assert [event.total for event in batch.lanes[lane.lane]] == [NAME, "", ""]
    assert [event.total for event in batch.foreign] == ["x"]
    assert not batch.poison


@pytest.mark.parametrize(
    ("header", "reason"), [(b"\xff", "not UTF-8"), (b"a\x00b", "control"), (b"x" * 129, "129"), (b"..", "no URL")]
)
def test_a_header_that_names_nothing_is_a_dead_letter(header: bytes, reason: str) -> None:
    """It is put aside with its reason, whether it comes from a lane or from another producer."""
    lane = Lane()
    lanes = FakeRecord((0, 0), lane.value(1, 1, 0), [*lane.headers(1), (TOTAL_HEADER, header)])
    batch = sort([lanes, FakeRecord((0, 1), foreign_value(uuid4(), 1, 0), [(TOTAL_HEADER, header)])])
    assert [reason in poison.reason for poison in batch.poison] == [True, True]
    assert (batch.lanes, batch.foreign) == ({}, [])


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["", "a", "b"])), max_size=40))
def test_a_name_has_what_of_it_is_in_the_contiguous_prefix(read: list[tuple[int, str]]) -> None:
    """Whatever order and duplicates: each event under its name, once, when its lane's mark passes it."""
    lane = Lane()
    names: dict[int, str] = {}
    for seq, name in read:
        names.setdefault(seq, name)
    events = sort(named(lane, seq, names[seq], 10**seq) for seq, _ in read).lanes.get(lane.lane, [])
    folded = fold_lane(0, events)
    expected: Tallies = {}
    for name in ("a", "b"):
        if seqs := [seq for seq in range(1, folded.mark + 1) if names[seq] == name]:
            expected[name] = Tally(len(seqs), sum(10**seq for seq in seqs))
    assert folded.named == expected
