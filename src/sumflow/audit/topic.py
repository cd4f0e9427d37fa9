"""Follows the lanes through the topic, record by record, in memory proportional to the number of lanes; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sumflow.audit.findings import Kind, Report

REPEATS_NAMED: Final = 20
MISSING_LIMIT: Final = 10_000
"""So many missing places are remembered, in all lanes, in case they come later."""


@dataclass(slots=True)
class _Followed:
    partition: int
    highest: int
    missing: set[int] = field(default_factory=set)


class Trail:
    """Which places of each lane the topic holds; a lane is in one partition, without gaps from its first record.

    Args:
        topic: its name, for what is said.
        first_offsets: where each partition begins; one that begins at 0 has every record that was ever published.
        rebuilt: up to where lanes were counted without the topic, which may have lost their records before that.
        partitions: where the lanes are, as the adder says; of another lane, its first record says.
    """

    def __init__(
        self,
        topic: str,
        first_offsets: Mapping[int, int],
        rebuilt: Mapping[UUID, int],
        partitions: Mapping[UUID, int | None],
    ) -> None:
        self._topic = topic
        self._first_offsets = first_offsets
        self._rebuilt = rebuilt
        self._partitions = partitions
        self._lanes: dict[UUID, _Followed] = {}
        self._kept = 0
        self.repeated = 0
        self.repeats: list[str] = []
        """The first events that were seen again: allowed, each is counted once; named for whoever looks for one."""

    def follow(self, lane: UUID, seq: int, partition: int, offset: int, report: Report) -> None:
        """Take the next record."""
        known = self._lanes.get(lane)
        home = known.partition if known else self._partitions.get(lane)
        if home is not None and home != partition:
            place = f"{self._topic}/{partition}@{offset}"
            report.find(Kind.INVENTED, place, f"{lane}:{seq} in another partition than its lane ({home})")
            return
        if known is None:
            # Where retention has removed records, the first one that is left need not be the lane's first.
            before = seq - 1 if self._first_offsets.get(partition) else 0
            known = self._lanes[lane] = _Followed(partition, before)
        if seq > known.highest:
            self._miss(lane, known, seq, report)
            known.highest = seq
        elif seq in known.missing:
            known.missing.remove(seq)
            self._kept -= 1
        else:
            self.repeated += 1
            if len(self.repeats) < REPEATS_NAMED:
                self.repeats.append(f"sent again: {lane}:{seq} at {self._topic}/{partition}@{offset}")

    def close(self, published: Mapping[UUID, int], report: Report) -> None:
        """Say what is missing now that the records are over.

        Args:
            published: how far the lanes were published before the topic's end was read.
            report: takes what is missing.
        """
        for lane, known in self._lanes.items():
            for first, last in runs(sorted(known.missing)):
                self._gone(lane, first, last, report)
        for lane, upto in published.items():
            followed = self._lanes.get(lane)
            if followed is None and self._first_offsets.get(self._partitions.get(lane) or 0, 1):
                continue  # Retention may have removed all of it.
            if (highest := followed.highest if followed else 0) < upto:
                self._gone(lane, highest + 1, upto, report)

    def _miss(self, lane: UUID, known: _Followed, seq: int, report: Report) -> None:
        gap = seq - known.highest - 1
        if gap and self._kept + gap <= MISSING_LIMIT:
            known.missing.update(range(known.highest + 1, seq))
            self._kept += gap
        elif gap:
            self._gone(lane, known.highest + 1, seq - 1, report)

    def _gone(self, lane: UUID, first: int, last: int, report: Report) -> None:
        first = max(first, self._rebuilt.get(lane, 0) + 1)
        if first > last:
            return
        upto = f", up to {last}" if last > first else ""
        report.find(Kind.LOST, f"{lane}:{first}", f"published, and not in the topic {self._topic}{upto}")


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return the first and the last of each run of consecutive numbers; they come sorted."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = number
        elif number > last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def lane_runs(places: Mapping[UUID, Iterable[int]]) -> list[tuple[UUID, int, int]]:
    """Return the runs of consecutive places of each lane."""
    return [(lane, first, last) for lane, seqs in places.items() for first, last in runs(sorted(set(seqs)))]


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of a lane, and where it was seen."""

    lane: UUID
    seq: int
    x: int
    y: int
    place: str
    total: str = ""


def against_outbox(
    seen: Sequence[Seen],
    stored: Mapping[tuple[UUID, int], set[tuple[int, int, str]]],
    ends: Mapping[UUID, int],
    report: Report,
) -> int:
    """Compare events with the outbox; return how many of them it still has.

    Args:
        seen: the events.
        stored: the numbers, and the names of totals, that the outbox has in their places.
        ends: where their lanes end; a lane that does not exist has none.
        report: takes what is wrong.
    """
    compared = 0
    for event in seen:
        known = stored.get((event.lane, event.seq))
        if event.seq > ends.get(event.lane, 0):
            detail = f"{event.lane}:{event.seq} ({_said(event.x, event.y, event.total)}) was never accepted"
            report.find(Kind.INVENTED, event.place, detail)
        elif known:
            compared += 1
            if known != {(event.x, event.y, event.total)}:
                told = " and ".join(_said(*each) for each in sorted(known))
                detail = f"{_said(event.x, event.y, event.total)} at {event.place}, {told} in the outbox"
                report.find(Kind.ALTERED, f"{event.lane}:{event.seq}", detail)
    return compared


def _said(x: int, y: int, total: str) -> str:
    return f"{x} + {y} in {total!r}" if total else f"{x} + {y}"
