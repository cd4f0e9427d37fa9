"""Looks at the outbox event by event: the database adds up; only lanes that betray a fault are looked at closely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import TupleRow

from sumflow.audit.findings import FINDINGS_LIMIT, Kind, Report
from sumflow.audit.reading import SQL, kept_since


@dataclass(frozen=True, slots=True)
class Stored:
    """A lane's events as the outbox has them, and what its row says they are."""

    lane: str
    number: int
    count: int
    first: int
    last: int
    sum_of_seqs: int
    sum: int
    last_seq: int | None
    """None: there is no such lane."""
    lane_sum: int
    may_miss_the_first: bool

    @property
    def gapless(self) -> bool:
        """Whether the places from the first to the last are there, once each.

        The number of events and the sum of their places: a lost and a doubled one keep the first, not the second.
        """
        span = self.last - self.first + 1
        return self.count == span and self.sum_of_seqs == (self.first + self.last) * span // 2

    @property
    def whole(self) -> bool:
        """Whether the outbox has all events of the lane."""
        return self.gapless and (self.first, self.last) == (1, self.last_seq)


def look(connection: Connection[TupleRow], report: Report) -> None:
    """Compare the outbox with its lanes, at one moment."""
    with connection.transaction():
        since = {"kept_since": kept_since(connection)}
        lanes = [_stored(row) for row in connection.execute(SQL.outbox, since)]
        empty = connection.execute(SQL.empty_lanes, since).fetchall()
        for lane, last_seq in empty:
            report.find(Kind.LOST, f"{lane}:1", f"all {last_seq} events of the lane are gone from the outbox")
        whole = [lane.number for lane in lanes if lane.whole]
        for lane, name, count, total, found, made in connection.execute(
            SQL.outbox_totals, {"numbers": whole, "limit": _LIMIT}
        ):
            detail = f"under {name!r} the lane says {total} of {count}, its events in the outbox make {made} of {found}"
            report.find(Kind.ALTERED, lane, detail)
        broken = {lane.number: lane.lane for lane in lanes if not lane.gapless}
        _places(connection, broken, report)
    judge(lanes, report)
    report.figures["outbox_events"] = sum(lane.count for lane in lanes)


def judge(lanes: Iterable[Stored], report: Report) -> None:
    """Say what is wrong with each lane as a whole; pure."""
    for lane in lanes:
        if lane.last_seq is None:
            report.find(Kind.INVENTED, lane.lane, f"the outbox has {lane.count} events of a lane that does not exist")
            continue
        if lane.last > lane.last_seq:
            detail = f"in the outbox, and its lane ends at {lane.last_seq}"
            report.find(Kind.INVENTED, f"{lane.lane}:{lane.last}", detail)
        if lane.last < lane.last_seq:
            detail = f"gone from the outbox, up to {lane.last_seq}"
            report.find(Kind.LOST, f"{lane.lane}:{lane.last + 1}", detail)
        if lane.first > 1 and not lane.may_miss_the_first:
            report.find(Kind.LOST, f"{lane.lane}:1", f"gone from the outbox, up to {lane.first - 1}")
        if lane.whole and lane.sum != lane.lane_sum:
            detail = f"the lane says {lane.lane_sum}, its events in the outbox make {lane.sum}"
            report.find(Kind.ALTERED, lane.lane, f"{detail} ({lane.sum - lane.lane_sum:+d})")


def _places(connection: Connection[TupleRow], broken: Mapping[int, str], report: Report) -> None:
    """Name the holes and the doubled places of lanes that have some."""
    if not broken:
        return
    asked = {"numbers": list(broken), "limit": _LIMIT}
    for number, seq, times in connection.execute(SQL.doubled, asked):
        report.find(Kind.DOUBLED, f"{broken[number]}:{seq}", f"is {times} times in the outbox")
    for number, seq, successor in connection.execute(SQL.holes, asked):
        upto = f", up to {successor - 1}" if successor > seq + 2 else ""
        report.find(Kind.LOST, f"{broken[number]}:{seq + 1}", f"gone from the outbox{upto}")


_LIMIT: Final = FINDINGS_LIMIT


def _stored(row: tuple[Any, ...]) -> Stored:
    lane, number, count, first, last, seqs, total, last_seq, lane_sum, older = row
    return Stored(lane, number, count, first, last, int(seqs), int(total), last_seq, int(lane_sum or 0), bool(older))
