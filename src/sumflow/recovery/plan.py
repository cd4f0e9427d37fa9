"""Decides from both sides' books what a rebuild changes; pure.

What the adder's lanes say is what was accepted; after a rebuild exactly that is counted. Whatever the topic still
holds of it is then a repetition, and whatever is accepted later follows in the topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sumflow.audit.facts import Accepted, Counted, Cut
from sumflow.sums.totals import Tallies, Tally, tally

_NOTHING: Final = Counted(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Ahead:
    """A lane of which the totalizer has more than the adder: the adder was restored to an earlier moment.

    Args:
        read: the last seq that was counted or parked.
        accepted: the last seq that the adder has.
    """

    lane: UUID
    read: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rebuild makes of the totalizer's books.

    Args:
        lanes: the adder's lanes that are set, each to its end.
        forgotten: lanes of the totalizer that are taken out: their events are counted when they are published.
        ahead: lanes that would go back; nothing is done without consent.
        differing: of `lanes`, how many the totalizer has otherwise.
        starts: from where each partition is read afterwards.
        before: the total without a name, now.
        after: the same afterwards.
        named: the totals with a name afterwards.
        notes: what a reader should know.
    """

    lanes: Mapping[UUID, Accepted]
    forgotten: tuple[UUID, ...]
    ahead: tuple[Ahead, ...]
    differing: int
    starts: Mapping[int, int]
    before: Tally
    after: Tally
    named: Tallies
    notes: tuple[str, ...]


def plan(cut: Cut, accepted_names: Tallies) -> Plan:
    """Decide what a rebuild does.

    Args:
        cut: both sides; the topic's identity and extents read first, the totalizer next, the adder last.
        accepted_names: what the adder's lanes that have a partition have under each name.
    """
    # A lane without a partition was never published: nothing of it is lost, and it is counted when it is published.
    lanes = {lane: row for lane, row in cut.accepted.items() if row.partition is not None and row.last_seq}
    ahead = tuple(sorted(_ahead(cut), key=lambda each: each.lane))
    named = dict(accepted_names)
    for name, brought in cut.foreign_totals.items():
        tally(named, name, brought.count, brought.sum)
    brings = Tally(
        sum(row.count for row in lanes.values()) + cut.foreign.count,
        sum(row.sum for row in lanes.values()) + cut.foreign.sum,
    )
    return Plan(
        lanes=lanes,
        forgotten=tuple(sorted(cut.counted.keys() - lanes.keys())),
        ahead=ahead,
        differing=sum(_differs(row, cut.counted.get(lane, _NOTHING)) for lane, row in lanes.items()),
        starts={p: extent.end if ahead else extent.first for p, extent in sorted(cut.extents.items())},
        before=cut.total,
        after=Tally(
            brings.count - sum(each.count for each in named.values()),
            brings.sum - sum(each.sum for each in named.values()),
        ),
        named=named,
        notes=tuple(_notes(cut, taken_back=bool(ahead))),
    )


def _ahead(cut: Cut) -> list[Ahead]:
    found = []
    for lane in cut.counted.keys() | cut.parked.keys():
        row, parked = cut.counted.get(lane, _NOTHING), cut.parked.get(lane)
        read = max(row.mark, row.count, parked.last_seq if parked else 0)
        accepted = cut.accepted[lane].last_seq if lane in cut.accepted else 0
        if read > accepted:
            found.append(Ahead(lane, read, accepted))
    return found


def _differs(accepted: Accepted, counted: Counted) -> bool:
    return (counted.mark, counted.count, counted.sum) != (accepted.last_seq, accepted.count, accepted.sum)


def _notes(cut: Cut, *, taken_back: bool) -> list[str]:
    """Say what of the events without a lane may be missing: they are in no outbox, only in the topic."""
    read = cut.next_offsets
    notes = []
    if taken_back:
        # Read again, the topic would count anew what the adder no longer has.
        skipped = sum(max(e.end - max(read.get(p, 0), e.first), 0) for p, e in cut.extents.items())
        notes.append(
            f"the topic is read from its end on; of {skipped} records before it, foreign events are not counted"
        )
    if cut.topic_id and cut.topics_read - {cut.topic_id}:
        notes.append("foreign events of the lost topic that were not counted yet cannot come from the adder's database")
    overtaken = sum(max(e.first - read.get(p, 0), 0) for p, e in cut.extents.items())
    if overtaken and not cut.topics_read - {cut.topic_id}:
        notes.append(
            f"retention took {overtaken} records that the totalizer does not know: "
            "foreign events among them cannot come from the adder's database"
        )
    return notes
