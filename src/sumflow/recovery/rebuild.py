"""Rebuilds the totals from the adder's database, in one transaction of the totalizer's.

Why nothing is lost or doubled, whoever works meanwhile: the topic is looked at before the adder's lanes are read, so
an event that their ends do not include is published later, to this very topic and beyond where it ended. The
totalizer's offsets are locked before the adder is read, so no lane goes back behind what a running totalizer counts.
A totalizer's next transaction finds other offsets than it expects, and starts anew from those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from sumflow.audit.facts import Books, Cut
from sumflow.audit.reading import connected, read_accepted, read_totalizer, tallies
from sumflow.database import queries
from sumflow.errors import SumflowError
from sumflow.recovery.plan import Plan, plan

_sql: Final = queries("sumflow.recovery")
_OPTIONS: Final = (
    "-c lock_timeout=30s -c statement_timeout=600s -c idle_in_transaction_session_timeout=60s"
    " -c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
)
"""A rebuild that vanishes must not keep totalizers waiting: the server ends its session, and with it its lock."""


def preview(books: Books) -> Plan:
    """Say what a rebuild would do now; raise SumflowError if one side cannot be read."""
    topic = Cut(topic_id=books.identity(), extents=books.extents())
    with (
        connected(books.totalizer, "totalizer") as counting,
        connected(books.adder, "adder") as accepting,
        counting.transaction(),
    ):
        return _decide(counting, accepting, books.topic, topic)


def rebuild(books: Books, *, take_back: bool) -> Plan:
    """Do it, as a whole or not at all, and say what was done.

    Args:
        books: of the system.
        take_back: also where lanes go back behind what was counted.

    Raises:
        SumflowError: lanes would go back without consent; or one side cannot be read or written, and nothing changed.
    """
    topic = Cut(topic_id=books.identity(), extents=books.extents())
    with connected(books.adder, "adder") as accepting, _writing(books.totalizer) as counting:
        counting.execute(_sql.hold_totals)
        decided = _decide(counting, accepting, books.topic, topic)
        if decided.ahead and not take_back:
            raise not_taken_back(decided)
        _write(counting, books.topic, topic, decided)
    return decided


def not_taken_back(decided: Plan) -> SumflowError:
    """Return the refusal to count less than before."""
    first = decided.ahead[0]
    return SumflowError(
        f"of {len(decided.ahead)} lanes the totalizer has more than the adder: nothing was changed",
        why=f"of lane {first.lane} it has read {first.read} and the adder has {first.accepted}: "
        "the adder's database was restored to an earlier moment, and what it forgot was acknowledged",
        remedy="restore a later state of the adder, or take these additions back: `sumflow rebuild --take-back`",
    )


def _decide(counting: Connection[TupleRow], accepting: Connection[TupleRow], topic: str, held: Cut) -> Plan:
    """Read both sides, the totalizer first, and decide."""
    seen = read_totalizer(counting, topic)
    with accepting.transaction():
        accepted = read_accepted(accepting)
        names = tallies(accepting.execute(_sql.accepted_names))
    cut = Cut(topic_id=held.topic_id, extents=held.extents, accepted=accepted, **seen)
    return plan(cut, names)


@contextmanager
def _writing(conninfo: str) -> Iterator[Connection[TupleRow]]:
    """Open the one transaction; psycopg's errors become SumflowError, and then nothing has happened."""
    try:
        with psycopg.connect(conninfo, application_name="sumflow-rebuild", options=_OPTIONS) as connection:
            yield connection
    except psycopg.Error as error:
        raise SumflowError(
            "the totalizer's database cannot be rebuilt",
            why=str(error).strip(),
            remedy="nothing was changed; `sumflow status` shows whether it runs, and the same command tries again",
        ) from error


def _write(counting: Connection[TupleRow], topic: str, held: Cut, decided: Plan) -> None:
    lanes = dict(sorted(decided.lanes.items()))
    columns: dict[str, Any] = {
        "topic": topic,
        "lanes": list(lanes),
        "partitions": [row.partition for row in lanes.values()],
        "last_seqs": [row.last_seq for row in lanes.values()],
        "sums": [Decimal(row.sum) for row in lanes.values()],
    }
    counting.execute(_sql.set_lanes, columns)
    counting.execute(_sql.forget_lanes, {"lanes": list(decided.forgotten)})
    counting.execute(_sql.forget_parked)
    totals = {"": decided.after, **decided.named}
    counting.execute(_sql.forget_totals)
    columns = {
        "names": list(totals),
        "counts": [Decimal(each.count) for each in totals.values()],
        "sums": [Decimal(each.sum) for each in totals.values()],
    }
    counting.execute(_sql.set_totals, columns)
    counting.execute(_sql.forget_offsets, {"topic": topic})
    offsets = {
        "topic": topic,
        "topic_id": held.topic_id,
        "partitions": list(decided.starts),
        "starts": list(decided.starts.values()),
        "ends": [held.extents[partition].end for partition in decided.starts],
    }
    counting.execute(_sql.set_offsets, offsets)
    counting.execute(_sql.announce)
