"""The comparison of a cut: every difference is found and named, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.audit.compare import compare
from sumflow.audit.facts import Accepted, Counted, Cut, DeadLetter, Extent, Parked
from sumflow.audit.findings import FINDINGS_LIMIT, Kind, Report
from sumflow.sums.totals import Tally

LANE, OTHER = UUID(int=1), UUID(int=2)


def history(events: list[int], published: int, counted: int) -> Cut:
    """A true cut of one lane with these events, so many of them published and counted; nothing was read past."""
    tail = Tally(len(events) - counted, sum(events[counted:]))
    return Cut(
        published={LANE: published},
        extents={0: Extent(0, published)},
        next_offsets={0: counted},
        counted={LANE: Counted(counted, counted, sum(events[:counted]))} if counted else {},
        accepted={LANE: Accepted(1, len(events), published, len(events), sum(events), 0)},
        tails={LANE: tail} if tail.count else {},
        total=Tally(counted, sum(events[:counted])),
    )


CUT = history([3, 4, 5, 6], 3, 2)
TOPIC = UUID(int=9)


def found(cut: Cut) -> list[tuple[Kind, str]]:
    """Return kind and subject of each finding."""
    return [(each.kind, each.subject) for each in compare(cut).findings]


def changed(cut: Cut, **changes: Any) -> Cut:
    """Change the totalizer's lane, and the total with it, so that only the lane betrays it."""
    before = cut.counted[LANE]
    lane = replace(before, **changes)
    total = Tally(cut.total.count + lane.count - before.count, cut.total.sum + lane.sum - before.sum)
    return replace(cut, counted={**cut.counted, LANE: lane}, total=total)


@st.composite
def histories(draw: st.DrawFn) -> Cut:
    """Any true cut: counted within published within accepted."""
    events = draw(st.lists(st.integers(-(2**64), 2**64), max_size=12))
    published = draw(st.integers(0, len(events)))
    return history(events, published, draw(st.integers(0, published)))


@given(histories())
def test_what_is_true_is_clean_and_lag_is_no_loss(cut: Cut) -> None:
    """However far the totalizer is behind, nothing is found, and the lag is what is not counted."""
    report = compare(cut)
    assert report.findings == []
    assert report.lag == sum(a.count for a in cut.accepted.values()) - sum(c.count for c in cut.counted.values())


@given(
    histories(), st.sampled_from(["mark", "count", "sum", "total", "foreign", "accepted", "tail"]), st.integers(1, 9)
)
def test_any_single_change_is_found(cut: Cut, what: str, by: int) -> None:
    """Whichever number of either side differs from the truth, by however little, there is a finding."""
    lane, row = cut.counted.get(LANE, Counted(0, 0, 0)), cut.accepted[LANE]
    spoiled = {
        "mark": replace(cut, counted={LANE: replace(lane, mark=lane.mark + by)}),
        "count": replace(cut, counted={LANE: replace(lane, count=lane.count + by)}),
        "sum": replace(cut, counted={LANE: replace(lane, sum=lane.sum - by)}),
        "total": replace(cut, total=Tally(cut.total.count, cut.total.sum + by)),
        "foreign": replace(cut, foreign=Tally(by, 0)),
        "accepted": replace(cut, accepted={LANE: replace(row, sum=row.sum + by)}),
        "tail": replace(cut, tails={LANE: Tally(row.last_seq - lane.mark + by, 0)}),
    }[what]
    assert not compare(spoiled).clean


def test_what_is_counted_is_not_called_unpublished() -> None:
    """A relay records late what it published; the part of the lag that is not published is never more than the lag."""
    late = replace(CUT, accepted={LANE: replace(CUT.accepted[LANE], published_seq=1)})
    assert (compare(CUT).lag, compare(CUT).unpublished) == (2, 1)
    assert (compare(late).lag, compare(late).unpublished) == (2, 2)


def test_a_change_of_a_lanes_sum_names_the_lane_and_the_difference() -> None:
    """The lane is named even when the total was changed with it."""
    report = compare(changed(CUT, sum=8))
    assert [(f.kind, f.subject) for f in report.findings] == [(Kind.ALTERED, str(LANE))]
    assert "(+1)" in report.findings[0].detail


def test_a_changed_total_is_told_apart_from_its_lanes() -> None:
    """Only the total is named when only the total was changed."""
    assert found(replace(CUT, total=Tally(2, 8))) == [(Kind.ALTERED, "total")]


def test_foreign_events_are_part_of_the_total() -> None:
    """The total is lanes and foreign events; both are needed to explain it."""
    assert found(replace(CUT, foreign=Tally(1, 40), total=Tally(3, 47))) == []
    assert found(replace(CUT, total=Tally(3, 47))) == [(Kind.ALTERED, "total")]


def test_what_the_totalizer_read_past_is_lost() -> None:
    """Published, read to the topic's end and not counted: the first such event is named."""
    assert found(replace(CUT, next_offsets={0: 3})) == [(Kind.LOST, f"{LANE}:3")]


def test_a_lane_row_that_is_gone_is_lost_and_spoils_the_total() -> None:
    """Deleting the totalizer's row of a lane looks like a lane that nobody read, but the total remembers."""
    gone = replace(CUT, counted={}, tails={LANE: Tally(4, 18)}, next_offsets={0: 3})
    assert found(gone) == [(Kind.ALTERED, "total"), (Kind.LOST, f"{LANE}:1")]


def test_more_counted_than_accepted_is_invented() -> None:
    """The first event that nobody accepted is named."""
    assert found(changed(CUT, mark=6, count=6)) == [(Kind.INVENTED, f"{LANE}:5")]


def test_a_lane_that_the_adder_does_not_have_is_invented() -> None:
    """Another's lane is named, ours is not."""
    cut = replace(CUT, counted={**CUT.counted, OTHER: Counted(1, 1, 9)}, total=Tally(3, 16))
    assert found(cut) == [(Kind.INVENTED, str(OTHER))]


def test_an_event_that_left_the_outbox_too_early_is_lost() -> None:
    """An accepted event that is neither counted nor in the outbox is lost; from an old lane it is not to be proven."""
    cut = replace(CUT, tails={LANE: Tally(1, 6)})
    assert found(cut) == [(Kind.LOST, f"{LANE}:2")]
    old = replace(cut.accepted[LANE], older_than_outbox=True)
    assert found(replace(cut, accepted={LANE: old})) == [(Kind.UNPROVEN, f"{LANE}:2")]


def test_an_event_that_waits_twice_is_doubled() -> None:
    """More events in the outbox than places for them."""
    assert found(replace(CUT, tails={LANE: Tally(3, 17)})) == [(Kind.DOUBLED, f"{LANE}:2")]


def test_a_dead_letter_of_a_lane_holds_it_up() -> None:
    """What stands in the dead letters is not lost: it is named with its place."""
    letter = DeadLetter(LANE, 3, "sums/0@2", "not JSON")
    cut = replace(CUT, next_offsets={0: 3}, dead_letters=[letter], dead_letter_count=1)
    assert found(cut) == [(Kind.HELD, f"{LANE}:3")]
    assert "sums/0@2" in compare(cut).findings[0].detail


def test_parked_events_wait_for_the_missing_one() -> None:
    """The missing event is named; it is lost only when everything that was published has been read."""
    cut = replace(changed(CUT, parked=1), parked={LANE: Parked(1, 4)})
    assert found(cut) == [(Kind.HELD, f"{LANE}:3")]
    assert found(replace(cut, next_offsets={0: 3})) == [(Kind.LOST, f"{LANE}:3")]
    not_published = replace(cut, next_offsets={0: 3}, published={LANE: 2})
    assert found(not_published) == [(Kind.HELD, f"{LANE}:3")], "what is not published cannot be lost in the topic"


@pytest.mark.parametrize(
    ("parked", "subject", "kind"),
    [({}, str(LANE), Kind.ALTERED), ({LANE: Parked(1, 9)}, f"{LANE}:9", Kind.INVENTED)],
)
def test_what_is_parked_is_what_the_lane_says_and_was_accepted(
    parked: dict[UUID, Parked], subject: str, kind: Kind
) -> None:
    """A parked row that is gone, and one beyond the lane's end."""
    assert (kind, subject) in found(replace(changed(CUT, parked=1), parked=parked))


@pytest.mark.parametrize("partition", [None, 7])
def test_a_lane_whose_partition_is_not_known_is_only_late(partition: int | None) -> None:
    """What is published of it cannot have been read past: no broker has named the partition yet."""
    row = replace(CUT.accepted[LANE], partition=partition)
    assert found(replace(CUT, accepted={LANE: row}, next_offsets={0: 9}, published={LANE: 3})) == []


def test_what_is_parked_of_a_lane_that_the_adder_does_not_have_is_named() -> None:
    """Not one of its events was accepted, so there is no end to be beyond of."""
    cut = Cut(counted={OTHER: Counted(0, 0, 0, 1)}, parked={OTHER: Parked(1, 2)})
    assert found(cut) == [(Kind.INVENTED, str(OTHER))]


def test_where_kafka_did_not_say_which_topic_it_has_none_is_called_recreated() -> None:
    """Offsets are then judged as they are."""
    assert found(replace(CUT, topic_id=None, topics_read=frozenset({TOPIC}))) == []


def test_findings_come_in_the_order_of_their_subjects() -> None:
    """Two audits of the same books read the same."""
    lanes = {UUID(int=n): Counted(1, 1, 0) for n in (3, 1, 2)}
    extents = {n: Extent(2, 5) for n in (2, 0, 1)}
    cut = Cut(counted=lanes, total=Tally(3, 0), extents=extents, later_ends={4: 1, 3: 1}, next_offsets={4: 9, 3: 9})
    partitions = [(Kind.LOST, f"partition {n}") for n in range(3)] + [(Kind.HELD, f"partition {n}") for n in (3, 4)]
    assert found(cut) == [*partitions, *((Kind.INVENTED, str(lane)) for lane in sorted(lanes))]
    named = {name: Tally(1, 5) for name in ("c", "a", "b")}
    cut = Cut(counted_totals=named, foreign=Tally(3, 15))
    assert found(cut) == [(Kind.ALTERED, f"total {name!r}") for name in "abc"]


def test_records_that_left_the_topic_before_they_were_read_are_lost() -> None:
    """Retention passed while nobody counted."""
    assert found(replace(CUT, extents={0: Extent(3, 3)})) == [(Kind.LOST, "partition 0")]


def test_findings_have_a_limit_and_are_counted_beyond_it() -> None:
    """A report stays small however much is wrong."""
    report, more = Report(), Report()
    for number in range(FINDINGS_LIMIT + 5):
        report.find(Kind.LOST, number, "")
    more.find(Kind.ALTERED, "x", "")
    report.include(more)
    assert (len(report.findings), report.more) == (FINDINGS_LIMIT, 6)


@pytest.mark.parametrize(
    ("read", "findings"),
    [(frozenset({TOPIC}), []), (frozenset(), []), (frozenset({UUID(int=8)}), [(Kind.HELD, "topic")])],
)
def test_a_topic_that_was_recreated_is_named(read: frozenset[UUID], findings: list[tuple[Kind, str]]) -> None:
    """Offsets of another topic of the same name lead nowhere: the totalizer has stopped, and that is no mere lag."""
    assert found(replace(CUT, topic_id=TOPIC, topics_read=read)) == findings


def test_of_a_topic_that_was_recreated_nothing_is_called_read() -> None:
    """Offsets of the former topic are beyond the end of this one, and no event is lost for that."""
    other = replace(CUT, topic_id=TOPIC, topics_read=frozenset({UUID(int=8)}), next_offsets={0: 100})
    assert found(other) == [(Kind.HELD, "topic")]


@pytest.mark.parametrize(("end", "findings"), [(2, []), (5, []), (1, [(Kind.HELD, "partition 0")])])
def test_a_topic_that_lost_its_end_is_named(end: int, findings: list[tuple[Kind, str]]) -> None:
    """A topic that ends before the place that was read has lost records; one that was only read meanwhile has not."""
    assert found(replace(CUT, later_ends={0: end})) == findings


def test_a_number_that_is_only_a_little_wrong_is_named_for_what_it_is() -> None:
    """One too many, another sign, nothing in sum: each is found by its own rule, and not by the luck of another."""
    lane = str(LANE)
    assert (Kind.ALTERED, lane) in found(changed(CUT, count=3))
    assert (Kind.ALTERED, lane) in found(changed(CUT, sum=-7))
    assert (Kind.INVENTED, f"{lane}:5") in found(changed(CUT, mark=5, count=5))
    assert found(Cut(counted={OTHER: Counted(1, 1, 0)}, total=Tally(1, 0))) == [(Kind.INVENTED, str(OTHER))]
    assert found(Cut(extents={0: Extent(2, 5)})) == [(Kind.LOST, "partition 0")]


def test_a_named_total_is_named_by_its_count_alone_and_where_the_adder_lacks_it() -> None:
    """A name with one addition too many of 0, and a name that no adder has, are found."""
    counted = Cut(accepted_totals={"a": Tally(1, 5)}, counted_totals={"a": Tally(2, 5)})
    assert (Kind.ALTERED, "total 'a'") in found(counted)
    assert (Kind.ALTERED, "total 'b'") in found(Cut(counted_totals={"b": Tally(1, 5)}))
