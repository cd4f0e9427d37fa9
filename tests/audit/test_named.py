"""Named totals in the audit: each is what the adder's lanes have of its name; a difference names the total."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.audit.compare import compare
from sumflow.audit.facts import Cut
from sumflow.audit.findings import Kind
from sumflow.sums.event import TOTAL_HEADER
from sumflow.sums.totals import Tallies, Tally, tally
from tests.audit.scene import Kept, Original, Scene, copied, named, position
from tests.audit.test_compare import history

integration = pytest.mark.integration
TOTAL, RENT, FOOD = ((Kind.ALTERED, f"total{name}") for name in ("", " 'rent'", " 'food'"))


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    """Any true cut of a lane whose events name totals, and of foreign events that do."""
    events = draw(st.lists(st.tuples(st.integers(-(2**64), 2**64), st.sampled_from(["", "a", "b"])), max_size=12))
    mark = draw(st.integers(0, len(events)))
    foreign = draw(st.lists(st.tuples(st.integers(-9, 9), st.sampled_from(["a", "c"])), max_size=3))
    accepted, tail, counted, brought = (dict[str, Tally]() for _ in range(4))
    for seq, (value, name) in enumerate(events, 1):
        for tallies, is_in in ((accepted, True), (tail, seq > mark), (counted, seq <= mark)):
            if name and is_in:
                tally(tallies, name, 1, value)
    for value, name in foreign:
        tally(counted, name, 1, value)
        tally(brought, name, 1, value)
    unnamed = [value for value, name in events[:mark] if not name]
    return replace(
        history([value for value, _ in events], len(events), mark),
        total=Tally(len(unnamed), sum(unnamed)),
        foreign=Tally(len(foreign), sum(value for value, _ in foreign)),
        accepted_totals=accepted,
        tail_totals=tail,
        counted_totals=counted,
        foreign_totals=brought,
    )


def copy_with(cut: Cut, side: str, tallies: Tallies) -> Cut:
    """Return the cut with other tallies on one side."""
    changes: Any = {side: tallies}
    return replace(cut, **changes)


@given(cuts())
def test_what_is_true_is_clean(cut: Cut) -> None:
    """Whatever is named, counted and on its way: nothing is found."""
    report = compare(cut)
    assert report.findings == []
    assert report.named == len(cut.counted_totals)


@given(
    cuts(), st.sampled_from(["accepted_totals", "tail_totals", "counted_totals", "foreign_totals"]), st.integers(1, 9)
)
def test_any_single_change_names_the_total(cut: Cut, side: str, by: int) -> None:
    """Whichever side differs from the truth for a name, that name is found, and no other."""
    spoiled: Tallies = dict(getattr(cut, side))
    tally(spoiled, "a", by % 2, by)
    found = {(each.kind, each.subject) for each in compare(copy_with(cut, side, spoiled)).findings}
    assert found - {TOTAL} == {(Kind.ALTERED, "total 'a'")}
    assert (TOTAL in found) == (side == "counted_totals")


def test_counted_in_the_wrong_total_is_found_though_the_sum_is_right() -> None:
    """All totals together agree with the lanes; each by itself tells where the addition went."""
    cut = replace(
        history([5, 7], 2, 2),
        total=Tally(1, 7),
        accepted_totals={"a": Tally(1, 7)},
        counted_totals={"a": Tally(1, 5)},
    )
    assert [(each.kind, each.subject) for each in compare(cut).findings] == [(Kind.ALTERED, "total 'a'")]
    assert "(-2)" in compare(cut).findings[0].detail


def test_names_are_not_judged_by_an_outbox_that_lacks_events() -> None:
    """What a lost event would have added to which name is not known: the lane is the finding, a note says the rest."""
    cut = replace(history([5, 7], 2, 1), tails={}, accepted_totals={"a": Tally(1, 7)}, counted_totals={})
    report = compare(cut)
    assert [each.kind for each in report.findings] == [Kind.LOST]
    assert "not compared" in report.notes[0]


@integration
def test_a_true_history_is_clean(copy: Scene) -> None:
    """The real services' names agree, by sums and event by event."""
    report = copy.deep()
    assert (report.findings, report.notes, report.named) == ([], [], 2)


CASES = {
    "a named total moved by one": (
        "totalizer",
        ["UPDATE totals SET sum = sum + 1 WHERE name = 'rent'"],
        {TOTAL, RENT},
    ),
    "an addition moved from one total to another": (
        "totalizer",
        [
            "UPDATE totals SET sum = sum - 5, count = count - 1 WHERE name = 'rent'",
            "UPDATE totals SET sum = sum + 5, count = count + 1 WHERE name = 'food'",
        ],
        {RENT, FOOD},
    ),
    "a named addition moved to the one total": (
        "totalizer",
        [
            "UPDATE totals SET sum = sum - 5, count = count - 1 WHERE name = 'rent'",
            "UPDATE totals SET sum = sum + 5, count = count + 1 WHERE name = ''",
        ],
        {RENT},
    ),
    "a named total gone": ("totalizer", ["DELETE FROM totals WHERE name = 'food'"], {TOTAL, FOOD}),
    "a total that nobody named": (
        "totalizer",
        ["INSERT INTO totals VALUES ('x', 0, 1)"],
        {TOTAL, (TOTAL[0], "total 'x'")},
    ),
    "a foreign share moved": (
        "totalizer",
        ["UPDATE named_foreign_totals SET sum = sum - 1 WHERE name = 'rent'"],
        {RENT},
    ),
    "a foreign share gone": ("totalizer", ["DELETE FROM named_foreign_totals WHERE name = 'food'"], {FOOD}),
    "a foreign share without a total": (
        "totalizer",
        ["INSERT INTO named_foreign_totals VALUES ('y', 0, 1)"],
        {(TOTAL[0], "total 'y'")},
    ),
    "a second lane's named sum": ("adder", ["INSERT INTO lane_totals VALUES (1, 'food', 0, 1)"], {FOOD}),
    "a lane's named sum moved": ("adder", ["UPDATE lane_totals SET sum = sum + 1 WHERE total = 'food'"], {FOOD}),
    "a lane's named sum gone": ("adder", ["DELETE FROM lane_totals WHERE total = 'food'"], {FOOD}),
}


@integration
@pytest.mark.parametrize("case", CASES)
def test_a_total_that_differs_is_found_without_looking_at_events(copy: Scene, case: str) -> None:
    """One row is enough, and the finding names the total; others are not accused."""
    side, statements, wanted = CASES[case]
    for statement in statements:
        copy.spoil(side, statement)
    assert named(copy.audit()) == wanted


@integration
def test_an_event_that_names_another_total_in_the_outbox_is_named(copy: Scene) -> None:
    """The topic and the lane's own row both tell; the sums of the totals are those of before."""
    lane = copy.original.lanes[1]
    copy.spoil("adder", "UPDATE events SET total = 'food' WHERE lane = 2 AND seq = 2")
    assert named(copy.audit()) == set()
    report = copy.deep()
    assert named(report) == {(Kind.ALTERED, f"{lane}:2"), (Kind.ALTERED, str(lane))}
    assert any("in 'food' in the outbox" in each.detail for each in report.findings)


@integration
def test_an_event_that_names_another_total_in_the_topic_is_named(original: Original) -> None:
    """A header that was changed between outbox and totalizer is named by its lane and seq."""
    with copied(original, [_renamed(original, record) for record in original.records]) as copy:
        assert named(copy.deep()) == {(Kind.ALTERED, f"{original.lanes[1]}:2")}


def _renamed(made: Original, record: Kept) -> Kept:
    place = position(record[2])
    if place is None or (place.lane, place.seq) != (made.lanes[1], 2):
        return record
    headers = [(name, b"food" if name == TOTAL_HEADER else value) for name, value in record[2]]
    return record[0], record[1], headers


@integration
def test_a_named_event_on_its_way_is_no_difference(copy: Scene) -> None:
    """What is accepted and not counted is missing in its total, rightly; with another name in the outbox, it is not."""
    with psycopg.connect(copy.adder, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO events SELECT lane, 41, x, y, created_at, NULL, 'new' FROM events WHERE seq = 1 AND lane = 1"
        )
        connection.execute("UPDATE lanes SET last_seq = 41, count = 41, sum = sum + 8 WHERE number = 1")
        connection.execute("INSERT INTO lane_totals VALUES (1, 'new', 1, 8)")
        assert copy.deep().findings == []
        connection.execute("UPDATE events SET total = 'old' WHERE seq = 41")
    assert named(copy.audit()) == {(Kind.ALTERED, "total 'new'"), (Kind.ALTERED, "total 'old'")}
