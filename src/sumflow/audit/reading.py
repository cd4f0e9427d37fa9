"""Reads both databases at a cut: the order of the statements in here is what makes the comparison a proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from sumflow.audit.facts import Accepted, Counted, Cut, DeadLetter, Extent, Parked
from sumflow.database import queries
from sumflow.errors import SEE_STATUS, SumflowError
from sumflow.sums.totals import Tallies, Tally, tally

SQL: Final = queries("sumflow.audit")
_OPTIONS: Final = "-c default_transaction_read_only=on -c statement_timeout=600000 -c lock_timeout=10000"
_DAY: Final = "events_%Y%m%d"
_DEFAULT: Final = "events_default"


def read_cut(
    adder: str, totalizer: str, topic: str, extents: Callable[[], Mapping[int, Extent]], identity: Callable[[], UUID]
) -> Cut:
    """Read both sides.

    Args:
        adder: the connection string of the adder's database.
        totalizer: that of the totalizer's.
        topic: the topic between them.
        extents: asks the brokers what the topic's partitions hold.
        identity: asks them for the topic's id.

    Raises:
        SumflowError: one of them cannot be read.
    """
    with connected(adder, "adder") as accepting, connected(totalizer, "totalizer") as counting:
        published: dict[UUID, int] = dict(accepting.execute(SQL.published).fetchall())
        topic_id, held = identity(), extents()
        with counting.transaction():
            seen = read_totalizer(counting, topic)
        with accepting.transaction():
            accepted = read_accepted(accepting)
            seen |= _tails(accepting, accepted, seen["counted"])
            accepted_totals = tallies(accepting.execute(SQL.accepted_totals))
        read_past = any(reached > held[p].end for p, reached in seen["next_offsets"].items() if p in held)
        ends = {p: extent.end for p, extent in extents().items()} if read_past else {}
    return Cut(
        published=published,
        topic_id=topic_id,
        extents=held,
        accepted=accepted,
        accepted_totals=accepted_totals,
        later_ends=ends,
        **seen,
    )


@contextmanager
def connected(conninfo: str, whose: str) -> Iterator[Connection[TupleRow]]:
    """Open a session that only reads, each transaction in one snapshot; psycopg's errors become SumflowError."""
    try:
        with psycopg.connect(
            conninfo, autocommit=True, application_name="sumflow-audit", options=_OPTIONS
        ) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            yield connection
    except psycopg.Error as error:
        raise SumflowError(
            f"the {whose}'s database cannot be read",
            why=str(error).strip(),
            remedy=f"{SEE_STATUS}; its schema comes with the service's start",
        ) from error


def read_accepted(connection: Connection[TupleRow]) -> dict[UUID, Accepted]:
    """Read the adder's lanes."""
    rows = connection.execute(SQL.accepted, {"kept_since": kept_since(connection)})
    return {
        lane: Accepted(number, last, published, count, int(total), partition, older)
        for lane, number, last, published, count, total, partition, older in rows
    }


def kept_since(connection: Connection[TupleRow]) -> datetime:
    """Return the beginning of the outbox's oldest day; younger lanes have all their events there."""
    return oldest_day(name for (name,) in connection.execute(SQL.outbox_days))


def oldest_day(names: Iterable[str]) -> datetime:
    """Return the beginning of the oldest of the days that partitions are named after; the end of time without one."""
    days = [datetime.strptime(name, _DAY).replace(tzinfo=UTC) for name in names if name != _DEFAULT]
    return min(days, default=datetime.max.replace(tzinfo=UTC))


def read_totalizer(connection: Connection[TupleRow], topic: str) -> dict[str, Any]:
    """Read the totalizer's share of a `Cut`, by the names of its fields."""
    lanes = connection.execute(SQL.counted)
    ((count, total, foreign_count, foreign_sum, dead_letters),) = connection.execute(SQL.totals).fetchall()
    named = connection.execute(SQL.counted_totals).fetchall()
    return {
        "counted": {lane: Counted(mark, int(n), int(amount), parked) for lane, mark, n, amount, parked in lanes},
        "counted_totals": tallies(row[:3] for row in named),
        "foreign_totals": tallies((row[0], *row[3:]) for row in named),
        "parked": {lane: Parked(rows, last) for lane, rows, last in connection.execute(SQL.parked)},
        "next_offsets": dict(connection.execute(SQL.next_offsets, {"topic": topic}).fetchall()),
        "topics_read": frozenset(read for (read,) in connection.execute(SQL.topics_read, {"topic": topic})),
        "dead_letters": [DeadLetter(*row) for row in connection.execute(SQL.dead_letters)],
        "dead_letter_count": int(dead_letters),
        "total": Tally(int(count), int(total)),
        "foreign": Tally(int(foreign_count), int(foreign_sum)),
    }


def _tails(
    connection: Connection[TupleRow], accepted: Mapping[UUID, Accepted], counted: Mapping[UUID, Counted]
) -> dict[str, Any]:
    marks = {lane: counted[lane].mark if lane in counted else 0 for lane in accepted}
    behind = {row.number: lane for lane, row in accepted.items() if marks[lane] < row.last_seq}
    asked = {"numbers": list(behind), "marks": [marks[lane] for lane in behind.values()]}
    tails: dict[UUID, Tally] = {}
    named: Tallies = {}
    for number, name, count, total in connection.execute(SQL.tails, asked) if behind else ():
        known = tails.get(behind[number], Tally())
        tails[behind[number]] = Tally(known.count + count, known.sum + int(total))
        if name:
            tally(named, name, count, int(total))
    return {"tails": tails, "tail_totals": named}


def tallies(rows: Iterable[TupleRow]) -> Tallies:
    """Return rows of a name, a count and a sum as values; a name that has nothing is left out."""
    return {name: Tally(int(count), int(total)) for name, count, total in rows if count or total}
