"""Compares both sides of a cut, lane by lane; pure, and proportional to the number of lanes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from sumflow.audit.facts import Accepted, Counted, Cut, DeadLetter
from sumflow.audit.findings import Kind, Report
from sumflow.sums.remedies import REBUILD
from sumflow.sums.totals import Tally

_NOTHING = Counted(0, 0, 0)


def compare(cut: Cut) -> Report:
    """Say what a cut proves and what is wrong with it."""
    report = Report(
        lanes=len(cut.accepted),
        accepted=sum(lane.count for lane in cut.accepted.values()),
        counted=sum(lane.count for lane in cut.counted.values()),
        unpublished=sum(_unpublished(row, cut.counted.get(lane, _NOTHING)) for lane, row in cut.accepted.items()),
        foreign=cut.foreign.count,
        parked=sum(parked.count for parked in cut.parked.values()),
        dead_letters=cut.dead_letter_count,
        total=cut.total.sum,
        named=len(cut.counted_totals),
    )
    _total(cut, report)
    _named(cut, report)
    if cut.topic_id is not None and (others := cut.topics_read - {cut.topic_id}):
        _recreated(cut.topic_id, others, report)
        cut = replace(cut, extents={})  # what was read says nothing about where this topic ends
    else:
        _offsets(cut, report)
    held = _by_lane(cut.dead_letters)
    for lane in sorted({*cut.accepted, *cut.counted, *cut.parked}):
        _lane(cut, lane, held.get(lane, {}), report)
    return report


def _unpublished(accepted: Accepted, counted: Counted) -> int:
    """What is counted was published, also when its relay has not recorded it yet."""
    return max(accepted.last_seq - max(accepted.published_seq, counted.mark), 0)


def _total(cut: Cut, report: Report) -> None:
    """All totals together are what the lanes and the events without a lane brought, to the last unit."""
    lanes = Tally(sum(c.count for c in cut.counted.values()), sum(c.sum for c in cut.counted.values()))
    explained = Tally(lanes.count + cut.foreign.count, lanes.sum + cut.foreign.sum)
    named = Tally(sum(t.count for t in cut.counted_totals.values()), sum(t.sum for t in cut.counted_totals.values()))
    if Tally(cut.total.count + named.count, cut.total.sum + named.sum) != explained:
        beside = f" and the named ones are {_said(named)}" if cut.counted_totals else ""
        report.find(
            Kind.ALTERED,
            "total",
            f"the total is {_said(cut.total)}{beside}; lanes ({_said(lanes)}) and foreign events "
            f"({_said(cut.foreign)}) make {_said(explained)}",
        )


def _recreated(topic_id: UUID, others: Iterable[UUID], report: Report) -> None:
    """The topic is not the one that the totalizer reads: its offsets say nothing about this one."""
    was = ", ".join(sorted(map(str, others)))
    detail = f"it was recreated: it is {topic_id}, the totalizer has read {was} and reads no further; {REBUILD}"
    report.find(Kind.HELD, "topic", detail)


def _named(cut: Cut, report: Report) -> None:
    """A named total is what the adder's lanes have of the name, but their tails, and what foreign events brought."""
    if not all(_is_whole(cut, lane) for lane in cut.accepted):
        if cut.accepted_totals or cut.counted_totals:
            report.notes.append("named totals were not compared: the outbox lacks events that are not counted")
        return
    adder, totalizer = (cut.accepted_totals, cut.tail_totals), (cut.foreign_totals, cut.counted_totals)
    for name in sorted({name for tallies in (*adder, *totalizer) for name in tallies}):
        accepted, tail, foreign, counted = (tallies.get(name, Tally()) for tallies in (*adder, *totalizer))
        lanes = Tally(accepted.count - tail.count, accepted.sum - tail.sum)
        expected = Tally(lanes.count + foreign.count, lanes.sum + foreign.sum)
        if counted != expected:
            beside = f" and of foreign events ({_said(foreign)})" if foreign.count else ""
            detail = (
                f"is {_said(counted)} at the totalizer; of the adder ({_said(lanes)}){beside} come {_said(expected)} "
                f"({counted.sum - expected.sum:+d})"
            )
            report.find(Kind.ALTERED, f"total {name!r}", detail)


def _is_whole(cut: Cut, lane: UUID) -> bool:
    """Whether the outbox has exactly the events of the lane that are not counted."""
    waiting = cut.accepted[lane].last_seq - cut.counted.get(lane, _NOTHING).mark
    return cut.tails.get(lane, Tally()).count == max(waiting, 0)


def _said(tally: Tally) -> str:
    return f"{tally.sum} of {tally.count}"


def _offsets(cut: Cut, report: Report) -> None:
    """The totalizer reads within what the topic holds."""
    for partition, extent in sorted(cut.extents.items()):
        if (reached := cut.next_offsets.get(partition, 0)) < extent.first:
            removed = f"offsets {reached} to {extent.first - 1} were removed from the topic before they were counted"
            report.find(Kind.LOST, f"partition {partition}", f"{removed}; {REBUILD}")
    for partition, end in sorted(cut.later_ends.items()):
        if (reached := cut.next_offsets.get(partition, 0)) > end:
            lost = f"read up to offset {reached}, and the topic ends at {end}: it has lost records"
            report.find(Kind.HELD, f"partition {partition}", f"{lost}; {REBUILD}")


def _lane(cut: Cut, lane: UUID, held: dict[int, DeadLetter], report: Report) -> None:
    accepted, counted = cut.accepted.get(lane), cut.counted.get(lane, _NOTHING)
    if counted.count != counted.mark:
        detail = f"the totalizer's mark says that {counted.mark} are counted, its count says {counted.count}"
        report.find(Kind.ALTERED, lane, detail)
    _parked(cut, lane, counted, accepted, report)
    if accepted is None:
        detail = f"the totalizer counted {counted.mark} events ({counted.sum}) of a lane that the adder does not have"
        report.find(Kind.INVENTED, lane, detail)
    elif counted.mark > accepted.last_seq:
        detail = f"counted up to seq {counted.mark}, accepted up to {accepted.last_seq}"
        report.find(Kind.INVENTED, f"{lane}:{accepted.last_seq + 1}", detail)
    else:
        _prefix(lane, accepted, counted, cut.tails.get(lane, Tally()), report)
        _arrival(cut, lane, accepted, counted, held, report)


def _parked(cut: Cut, lane: UUID, counted: Counted, accepted: Accepted | None, report: Report) -> None:
    parked = cut.parked.get(lane)
    rows = parked.count if parked else 0
    if rows != counted.parked:
        report.find(Kind.ALTERED, lane, f"the totalizer's lane has {counted.parked} parked events, {rows} are there")
    if parked and accepted and parked.last_seq > accepted.last_seq:
        detail = f"parked, and the adder accepted up to {accepted.last_seq} only"
        report.find(Kind.INVENTED, f"{lane}:{parked.last_seq}", detail)


def _prefix(lane: UUID, accepted: Accepted, counted: Counted, tail: Tally, report: Report) -> None:
    """What is counted of a lane is what the adder has of the same events: all of the lane but its tail."""
    waiting = accepted.last_seq - counted.mark
    if tail.count < waiting:
        kind = Kind.UNPROVEN if accepted.older_than_outbox else Kind.LOST
        detail = f"{waiting - tail.count} of the {waiting} events after it are neither counted nor in the outbox"
        report.find(kind, f"{lane}:{counted.mark}", detail)
    elif tail.count > waiting:
        detail = f"{waiting} events are to follow it, the outbox has {tail.count}"
        report.find(Kind.DOUBLED, f"{lane}:{counted.mark}", detail)
    elif counted.sum != (expected := accepted.sum - tail.sum):
        detail = (
            f"events 1 to {counted.mark} are {expected} at the adder and {counted.sum} at the totalizer "
            f"({counted.sum - expected:+d})"
        )
        report.find(Kind.ALTERED, lane, detail)


def _arrival(
    cut: Cut, lane: UUID, accepted: Accepted, counted: Counted, held: dict[int, DeadLetter], report: Report
) -> None:
    """What was published before the topic's end was read is counted once the totalizer has read up to there."""
    arrived = cut.published.get(lane, 0) if _read_to_the_end(cut, accepted.partition) else 0
    if counted.mark >= arrived and not counted.parked:
        return
    missing = counted.mark + 1
    behind = f"; {counted.parked} later events wait for it" if counted.parked else ""
    if missing in held:
        letter = held[missing]
        detail = f"a dead letter since {letter.place} ({letter.reason}){behind}"
        report.find(Kind.HELD, f"{lane}:{missing}", detail)
    elif counted.mark < arrived:
        detail = f"published up to {arrived}, the totalizer has read that far and counted up to {counted.mark}{behind}"
        report.find(Kind.LOST, f"{lane}:{missing}", detail)
    else:
        report.find(Kind.HELD, f"{lane}:{missing}", f"has not come out of the topic{behind}")


def _read_to_the_end(cut: Cut, partition: int | None) -> bool:
    extent = cut.extents.get(-1 if partition is None else partition)
    return extent is not None and partition is not None and cut.next_offsets.get(partition, 0) >= extent.end


def _by_lane(letters: Iterable[DeadLetter]) -> dict[UUID, dict[int, DeadLetter]]:
    found: dict[UUID, dict[int, DeadLetter]] = {}
    for letter in letters:
        found.setdefault(letter.lane, {})[letter.seq] = letter
    return found
