"""Named totals in the totalizer's transaction: with everything else of a batch, each addition in one total only."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from sumflow.settings import TotalizerSettings
from sumflow.totalizer import upkeep
from tests.totalizer.bench import as_ints
from tests.totalizer.records import Lane, foreign, named
from tests.totalizer.test_ledger import partitions, record

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures(partitions.__name__)]
Database = psycopg.Connection[Any]
NAME = "Größe/ä ?#"


def totals(database: Database, table: str = "totals") -> dict[str, tuple[int, int]]:
    """Return count and sum by name."""
    rows = database.execute(sql.SQL("SELECT name, count, sum FROM {}").format(sql.Identifier(table)))
    return {row[0]: as_ints(row[1:]) for row in rows}


def upkeep_says_explained(database: Database) -> bool:
    """Return whether lanes and foreign events make the totals."""
    return database.execute(upkeep._sql.unexplained).fetchall() == [(False,)]


def test_a_named_event_counts_in_its_own_total_only(database: Database) -> None:
    """Lanes know all of their events; each total knows its own; all totals together are all lanes."""
    one, two = Lane(), Lane()
    outcome = record(
        database,
        [
            one.record(1, 100),
            named(one, 2, NAME, 20, (0, 1)),
            named(two, 1, NAME, 2**63 - 1, (1, 0)),
            named(two, 2, "b", 4, (1, 1)),
        ],
    )
    assert (outcome.counted, outcome.sum) == (4, 124 + 2**63 - 1)
    assert totals(database) == {"": (1, 100), NAME: (2, 2**63 + 19), "b": (1, 4)}
    record(database, [named(one, 2, NAME, 20, (0, 2)), named(one, 3, NAME, -5, (0, 3))])
    assert totals(database)[NAME] == (3, 2**63 + 14)
    assert database.execute("SELECT sum(count), sum(sum) FROM lane_marks").fetchall() == [(5, 119 + 2**63 - 1)]


def test_what_is_parked_keeps_its_name(database: Database) -> None:
    """Named events beyond a gap count under their names when it closes, and not before."""
    lane = Lane()
    record(database, [named(lane, 2, "a", 20), named(lane, 3, "b", 300, (0, 1)), lane.record(4, 4000, 0, (0, 2))])
    record(database, [named(lane, 6, "a", 9, (0, 3))])
    assert totals(database) == {"": (0, 0)}
    outcome = record(database, [named(lane, 1, "a", 1, (0, 4))])
    assert (outcome.counted, outcome.settled, outcome.unparked) == (4, 3, 3)
    assert totals(database) == {"": (1, 4000), "a": (2, 21), "b": (1, 300)}


def test_what_foreign_events_bring_to_a_name_is_kept_apart(database: Database) -> None:
    """A named total is its lanes' share and its foreign share; a repeated event brings nothing."""
    known, lane = uuid4(), Lane()
    record(database, [foreign(known, "a", 7, 0), foreign(uuid4(), "b", 5, 1), named(lane, 1, "a", 100)])
    record(database, [foreign(known, "a", 7, 2), foreign(uuid4(), "a", 1, 3)])
    assert totals(database) == {"": (0, 0), "a": (3, 108), "b": (1, 5)}
    assert totals(database, "named_foreign_totals") == {"a": (2, 8), "b": (1, 5)}
    assert database.execute("SELECT count, sum FROM foreign_totals").fetchall() == [(3, 13)]
    assert upkeep_says_explained(database)
    database.execute("UPDATE totals SET sum = sum + 1 WHERE name = 'b'")
    assert not upkeep_says_explained(database)


def test_two_totalizers_never_wait_in_a_circle(database: Database, settings: TotalizerSettings) -> None:
    """The same names in opposite order, from two partitions at a time: no deadlock, and every count is there."""
    names = [f"name {n}" for n in range(200)]

    def count(partition: int, order: list[str]) -> None:
        lane = Lane()
        with psycopg.connect(database.info.dsn, password=settings.postgres_password, autocommit=True) as own:
            for turn in range(10):
                start = turn * len(order)
                events = [
                    named(lane, start + n, name, 1, (partition, start + n - 1)) for n, name in enumerate(order, 1)
                ]
                record(own, events, {partition: start})

    works = [threading.Thread(target=count, args=work) for work in ((0, names), (1, names[::-1]))]
    for work in works:
        work.start()
    for work in works:
        work.join(60)
    assert set(totals(database).values()) == {(0, 0), (20, 20)}
