"""Following lanes through a topic: gaps, repetitions and strange places, in bounded memory."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.audit import topic
from sumflow.audit.findings import Kind, Report
from sumflow.audit.topic import Seen, Trail, against_outbox, lane_runs, runs
from tests.audit.scene import named

LANE, OTHER = UUID(int=1), UUID(int=2)


def follow(
    seqs: list[int], published: int, first_offset: int = 0, rebuilt: int = 0
) -> tuple[set[tuple[Kind, str]], int]:
    """Follow one lane through partition 0; return the findings and the number of repetitions."""
    report, trail = Report(), Trail("sums", {0: first_offset}, {LANE: rebuilt}, {LANE: 0})
    for offset, seq in enumerate(seqs):
        trail.follow(LANE, seq, 0, first_offset + offset, report)
    trail.close({LANE: published} if published else {}, report)
    return named(report), trail.repeated


@given(st.integers(1, 30), st.lists(st.integers(1, 30), max_size=5))
def test_repetitions_are_no_fault(published: int, restarts: list[int]) -> None:
    """A lane that is sent again from anywhere behind is whole, however often."""
    seqs = list(range(1, published + 1))
    for start in restarts:
        seqs.extend(range(min(start, published), published + 1))
    findings, repeated = follow(seqs, published)
    assert (findings, repeated) == (set(), len(seqs) - published)


def test_repetitions_are_named_up_to_a_limit() -> None:
    """The first ones are named with their places, all are counted."""
    report, trail = Report(), Trail("sums", {0: 0}, {}, {})
    for offset in range(topic.REPEATS_NAMED + 5):
        trail.follow(LANE, 1, 0, offset, report)
    assert trail.repeats[0] == f"sent again: {LANE}:1 at sums/0@1"
    assert (len(trail.repeats), trail.repeated) == (topic.REPEATS_NAMED, topic.REPEATS_NAMED + 4)


@given(st.sets(st.integers(1, 25), min_size=1), st.integers(0, 5))
def test_what_is_missing_is_named_by_its_first(present: set[int], more: int) -> None:
    """Each hole, and the end that never came, is one finding."""
    published = max(present) + more
    missing = sorted(set(range(1, published + 1)) - present)
    findings, _ = follow(sorted(present), published)
    inside = [first for first, _ in runs(seq for seq in missing if seq < max(present))]
    assert findings == {(Kind.LOST, f"{LANE}:{first}") for first in [*inside, *([max(present) + 1] if more else [])]}


def test_what_comes_late_is_not_missing() -> None:
    """A hole that is filled by a later record, as one that was sent again by hand, is none."""
    assert follow([1, 2, 4, 5, 3], 5) == (set(), 0)


def test_what_retention_may_have_removed_is_not_missing() -> None:
    """Where a partition does not begin at 0, a lane may begin anywhere, or not be there."""
    assert follow([7, 8], 8, first_offset=100) == (set(), 0)
    assert follow([], 8, first_offset=100) == (set(), 0)
    assert follow([], 8) == ({(Kind.LOST, f"{LANE}:1")}, 0)


@pytest.mark.parametrize(("seqs", "missing"), [([6, 7], []), ([7], [6]), ([2, 7], [6]), ([], [6]), ([1, 2, 3], [6])])
def test_what_was_rebuilt_need_not_be_in_the_topic(seqs: list[int], missing: list[int]) -> None:
    """A topic that lost records stays without them; what comes after the rebuild has to be there."""
    assert follow(seqs, 7, rebuilt=5)[0] == {(Kind.LOST, f"{LANE}:{first}") for first in missing}


def test_memory_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """More missing places than are remembered are told at once, and still once."""
    monkeypatch.setattr(topic, "MISSING_LIMIT", 3)
    assert follow([3, 10**9], 10**9)[0] == {(Kind.LOST, f"{LANE}:1"), (Kind.LOST, f"{LANE}:4")}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("known", [{}, {LANE: 0}, {LANE: None}])
def test_a_lane_in_two_partitions_is_a_fault(known: dict[UUID, int | None], first: int) -> None:
    """The record in the wrong one is named by its place: the adder says which that is, or else the first record."""
    report, trail = Report(), Trail("sums", {0: 0, 1: 0}, {}, known)
    trail.follow(LANE, 1, first, 7, report)
    trail.follow(LANE, 1, 1 - first, 9, report)
    wrong = (1, (7, 9)[1 - first]) if known.get(LANE) == 0 else (1 - first, 9)
    assert named(report) == {(Kind.INVENTED, "sums/{}@{}".format(*wrong))}


@given(st.sets(st.integers(-5, 30)))
def test_runs_are_the_numbers(numbers: set[int]) -> None:
    """Runs hold exactly the numbers, and no two of them touch."""
    found = list(runs(sorted(numbers)))
    assert {n for first, last in found for n in range(first, last + 1)} == numbers
    assert all(left[1] + 1 < right[0] for left, right in itertools.pairwise(found))


def test_runs_are_of_each_lane() -> None:
    """Repeated places are asked for once."""
    assert lane_runs({LANE: [2, 1, 2], OTHER: [5, 7]}) == [(LANE, 1, 2), (OTHER, 5, 5), (OTHER, 7, 7)]


def test_events_are_compared_with_what_the_outbox_has() -> None:
    """Equal is compared, other numbers are altered, beyond the end is invented, what is gone is not compared."""
    report = Report()
    seen = [Seen(LANE, seq, seq, 0, f"sums/0@{seq}") for seq in (1, 2, 3, 9)]
    stored = {(LANE, 1): {(1, 0, "")}, (LANE, 2): {(1, 1, "")}}
    assert against_outbox(seen, stored, {LANE: 3}, report) == 2
    assert named(report) == {(Kind.ALTERED, f"{LANE}:2"), (Kind.INVENTED, "sums/0@9")}
