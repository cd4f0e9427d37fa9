"""What a rebuild decides to change, from any state that a loss may leave behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from sumflow.audit.facts import Accepted, Counted, Cut, Extent, Parked
from sumflow.recovery import plan as recovery
from sumflow.recovery.plan import Ahead, Plan
from sumflow.sums.totals import Tally

LANE, OTHER, TOPIC = UUID(int=1), UUID(int=2), UUID(int=9)
CUT = Cut(
    topic_id=TOPIC,
    extents={0: Extent(3, 9), 1: Extent(0, 4)},
    next_offsets={0: 8, 1: 4},
    topics_read=frozenset({TOPIC}),
    counted={LANE: Counted(5, 5, 50)},
    foreign=Tally(2, 7),
    total=Tally(7, 57),
    accepted={LANE: Accepted(1, 6, 6, 6, 61, 0), OTHER: Accepted(2, 3, 1, 3, 30, 1)},
)


def plan(cut: Cut) -> Plan:
    """Plan without names."""
    return recovery.plan(cut, {})


def test_names_are_apart_from_the_total() -> None:
    """A named total is what lanes and foreign events bring to it; the one without a name is the rest."""
    cut = replace(CUT, foreign_totals={"b": Tally(1, 3), "c": Tally(1, 4)})
    found = recovery.plan(cut, {"a": Tally(2, 11), "b": Tally(1, 5)})
    assert found.named == {"a": Tally(2, 11), "b": Tally(2, 8), "c": Tally(1, 4)}
    assert found.after == Tally(11 - 5, 98 - 23)


def test_the_adders_lanes_become_the_total_and_foreign_events_stay() -> None:
    """Each lane is counted to its end, also what is not published yet; the topic is read again from its beginning."""
    found = plan(CUT)
    assert (found.lanes, found.differing, found.ahead, found.forgotten) == (CUT.accepted, 2, (), ())
    assert (found.before, found.after) == (Tally(7, 57), Tally(6 + 3 + 2, 61 + 30 + 7))
    assert (found.starts, found.notes) == ({0: 3, 1: 0}, ())


def test_books_that_agree_stay_as_they_are() -> None:
    """Where nothing is wrong a rebuild changes no total."""
    agreed = replace(
        CUT, counted={LANE: Counted(6, 6, 61), OTHER: Counted(3, 3, 30)}, total=Tally(11, 98), next_offsets={0: 9, 1: 4}
    )
    found = plan(agreed)
    assert (found.differing, found.after) == (0, agreed.total)


@pytest.mark.parametrize("row", [Accepted(3, 4, 0, 4, 40, None), Accepted(3, 0, 0, 0, 0, 1)])
def test_a_lane_without_anything_in_the_topic_is_left_to_the_pipeline(row: Accepted) -> None:
    """What was never published cannot be lost: it is counted when it comes."""
    found = plan(replace(CUT, accepted={**CUT.accepted, UUID(int=3): row}))
    assert (found.lanes, found.after) == (CUT.accepted, Tally(11, 98))


@pytest.mark.parametrize(
    ("changes", "ahead", "forgotten", "after"),
    [
        ({"counted": {LANE: Counted(8, 8, 90)}}, Ahead(LANE, 8, 6), (), Tally(11, 98)),
        ({"counted": {LANE: Counted(5, 8, 90)}}, Ahead(LANE, 8, 6), (), Tally(11, 98)),
        ({"parked": {LANE: Parked(1, 7)}}, Ahead(LANE, 7, 6), (), Tally(11, 98)),
        ({"counted": {}, "parked": {LANE: Parked(1, 7)}}, Ahead(LANE, 7, 6), (), Tally(11, 98)),
        ({"counted": {UUID(int=5): Counted(2, 2, 4)}}, Ahead(UUID(int=5), 2, 0), (UUID(int=5),), Tally(11, 98)),
    ],
    ids=["counted", "miscounted", "parked", "parked only", "unknown"],
)
def test_a_totalizer_that_has_more_than_the_adder_is_told(
    changes: dict[str, Any], ahead: Ahead, forgotten: tuple[UUID, ...], after: Tally
) -> None:
    """The adder was set back: lanes that would go back are named, and nothing of the topic is read again."""
    found = plan(replace(CUT, **changes))
    assert (found.ahead, found.forgotten, found.after) == ((ahead,), forgotten, after)
    assert found.starts == {0: 9, 1: 4}
    assert "of 1 records before it" in found.notes[0]


def test_a_lane_that_is_not_published_any_more_is_counted_anew() -> None:
    """Set back to a moment before its first record, a lane is taken out: its events are published again."""
    found = plan(replace(CUT, counted={LANE: Counted(8, 8, 90)}, accepted={LANE: Accepted(1, 4, 0, 4, 40, None)}))
    assert (found.lanes, found.forgotten, found.after) == ({}, (LANE,), Tally(2, 7))


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"topics_read": frozenset({UUID(int=8)})}, "of the lost topic"),
        ({"next_offsets": {0: 1, 1: 4}}, "retention took 2 records"),
        ({"next_offsets": {}, "topics_read": frozenset()}, "retention took 3 records"),
    ],
)
def test_what_the_adder_cannot_give_back_is_said(changes: dict[str, Any], note: str) -> None:
    """Events without a lane are in the topic only: where it lost some, a reader hears of it."""
    (said,) = plan(replace(CUT, **changes)).notes
    assert note in said
    assert "cannot come from the adder's database" in said
