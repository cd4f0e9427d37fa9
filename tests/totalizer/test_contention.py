"""Two sessions at once on the totalizer's database: who waits, in which order, and what is found afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from sumflow.database import newest_migration
from sumflow.settings import TotalizerSettings
from sumflow.totalizer import upkeep
from sumflow.totalizer.ledger import Outcome, OwnershipLostError
from sumflow.totalizer.positions import TopicFacts
from sumflow.totalizer.session import Session
from tests.totalizer.records import FakeRecord, Lane, foreign, foreign_value, named
from tests.totalizer.test_ledger import TOPIC_ID, lane_row, partitions, record, total

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures(partitions.__name__)]
Database = psycopg.Connection[Any]


def await_lock_wait(watcher: Database) -> None:
    """Wait until a session of this database waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 20
    while watcher.execute(waiting).fetchall() != [(1,)]:
        assert time.monotonic() < deadline


@contextmanager
def behind(
    database: Database,
    url: str,
    work: Callable[[Database], object],
    meanwhile: Callable[[Database], object] = lambda _: None,
) -> Iterator[list[object]]:
    """Run the block's transaction, and end it when another session's work waits for it; yields what that comes to."""
    came_to: list[object] = []

    def other() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            try:
                came_to.append(work(connection))
            except OwnershipLostError as lost:
                came_to.append(type(lost))

    thread = threading.Thread(target=other)
    with database.transaction(), psycopg.connect(url, autocommit=True) as watcher:
        yield came_to
        thread.start()
        await_lock_wait(watcher)
        meanwhile(watcher)
    thread.join(20)


def test_what_was_shown_is_on_disk(settings: TotalizerSettings) -> None:
    """The session does not ask the server for less: a total that somebody saw outlives a power failure."""
    session = Session(settings, "sumflow-totalizer")
    with session.transaction() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchall() == [("on",)]
    session.close()


def test_whoever_shows_the_total_hears_of_a_commit(database: Database) -> None:
    """With the commit, and not with the next look."""
    database.execute("LISTEN totals")
    record(database, [Lane().record(1)])
    assert [notice.channel for notice in database.notifies(timeout=20, stop_after=1)] == ["totals"]


def test_of_two_that_read_one_partition_the_second_finds_it_moved(database: Database, database_url: str) -> None:
    """It waits for the first, whose outcome is not known before, and writes nothing."""
    records = [FakeRecord((0, 0), b"{")]
    with behind(database, database_url, lambda other: record(other, records, {0: 0})) as found:
        record(database, records)
    assert found == [OwnershipLostError]
    assert database.execute("SELECT sum(dead_letters) FROM offsets").fetchall() == [(1,)]


def test_a_partition_that_is_known_keeps_its_offset(database: Database) -> None:
    """Between a look at the stored offsets and making partitions known, another totalizer may have moved them."""
    record(database, [Lane().record(1, place=(0, 4))])
    upkeep.register(database, "sums", TopicFacts(TOPIC_ID, {}, {0: 0, 1: 0}), {0: 0, 1: 0})
    stored = upkeep.stored_offsets(database, "sums")
    assert [stored[partition].next_offset for partition in range(3)] == [5, 0, 0]


def test_two_that_see_a_lane_for_the_first_time_count_it_once(database: Database, database_url: str) -> None:
    """A lane in two partitions, as only a hand can bring it about: the second goes on where the first ends."""
    lane = Lane()
    again = [lane.record(seq, place=(1, seq)) for seq in (1, 2, 3)]
    with behind(database, database_url, lambda other: record(other, again).counted) as counted:
        record(database, [lane.record(1), lane.record(2, place=(0, 1))])
    assert counted == [1]
    assert (total(database), lane_row(database, lane)) == ((3, 3), (3, 3, 3, 0))


def test_two_that_know_a_lane_count_it_once(database: Database, database_url: str) -> None:
    """The same for a lane that has its row already."""
    lane = Lane()
    record(database, [lane.record(1)])
    again = [lane.record(seq, place=(1, seq)) for seq in (1, 2, 3)]
    with behind(database, database_url, lambda other: record(other, again).counted) as counted:
        record(database, [lane.record(2, place=(0, 1))])
    assert counted == [1]
    assert (total(database), lane_row(database, lane)) == ((3, 3), (3, 3, 3, 0))


def _day_before(database: Database) -> None:
    """Let the day of processed_events be over."""
    name = upkeep.partition_name(date(2001, 1, 1))
    database.execute(f"CREATE TABLE {name} PARTITION OF processed_events FOR VALUES IN ('2001-01-01')".encode())
    database.execute(f"DROP TABLE {upkeep.partition_name(date.today())}".encode())  # noqa: DTZ011
    database.execute("UPDATE processed_day SET day = '2001-01-01'")


def _turned(connection: Database) -> None:
    with connection.transaction():
        upkeep.turn_day(connection, 10_000)


def test_a_day_that_is_about_to_be_written_to_is_not_turned(database: Database, database_url: str) -> None:
    """Else an id could be new in two partitions. Whoever turns the day waits for writers, and holds up none of them."""
    _day_before(database)
    looked = "SET lock_timeout = '1s'; SELECT FROM processed_events"
    with behind(database, database_url, _turned, lambda watcher: watcher.execute(looked)) as done:
        database.execute(upkeep._sql.hold_day.encode())
    assert done == [None]
    ((day,),) = database.execute(upkeep._sql.hold_day.encode()).fetchall()
    assert day > date(2001, 1, 1)


def test_of_two_that_turn_the_day_the_second_finds_it_turned(database: Database, database_url: str) -> None:
    """It waits, and does nothing; it does not fail at the partition that is there already."""
    _day_before(database)
    with behind(database, database_url, _turned) as done:
        upkeep.turn_day(database, 10_000)
    assert done == [None]


@pytest.mark.parametrize(
    ("table", "key", "query"),
    [("offsets", "partition", "lock_offsets"), ("lane_marks", "lane", "lock_lanes")],
)
def test_rows_are_locked_in_the_order_of_their_keys(
    database: Database, database_url: str, table: str, key: str, query: str
) -> None:
    """Whatever their order on disk: who waits for one has those before it, and none after it; nobody shares one."""
    lanes = [UUID(int=n) for n in range(3)]
    record(database, [Lane(lane).record(1, place=(n, 0)) for n, lane in enumerate(lanes)])
    keys: list[Any] = [0, 1, 2] if table == "offsets" else lanes
    for moved in keys[1::-1]:
        change = sql.SQL("UPDATE {} SET updated_at = now() WHERE {} = %s")
        database.execute(change.format(sql.Identifier(table), sql.Identifier(key)), (moved,))
    asked = {"topic": "sums", "partitions": keys, "lanes": keys, "schema": newest_migration("sumflow.totalizer")}
    statement: str = getattr(upkeep._sql, query)
    names = {"table": sql.Identifier(table), "key": sql.Identifier(key)}
    others = sql.SQL("SELECT {key} FROM {table} ORDER BY {key} FOR UPDATE SKIP LOCKED").format(**names)
    free: list[Any] = []

    def lock(other: Database) -> None:
        # As for a table without statistics, whose rows are read in the order of the disk.
        other.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
        other.execute(statement.encode(), asked)

    with behind(database, database_url, lock, lambda watcher: free.extend(watcher.execute(others))):
        database.execute(sql.SQL("SELECT FROM {table} WHERE {key} = %s FOR SHARE").format(**names), (keys[1],))
    assert free == [(keys[2],)]


@pytest.mark.parametrize("table", ["totals", "named_foreign_totals"])
def test_names_are_counted_in_their_order(database: Database, database_url: str, table: str) -> None:
    """Whatever their order in the batch: who waits for one has those before it, and none after it."""
    lane = Lane()

    def batch(start: int, names: str) -> list[FakeRecord]:
        if table == "totals":
            return [named(lane, seq, name, 1, (0, seq)) for seq, name in enumerate(names, start)]
        return [foreign(UUID(int=offset), name, 1, offset) for offset, name in enumerate(names, start)]

    record(database, batch(1, "abc"))
    others = sql.SQL("SELECT name FROM {} WHERE name > '' ORDER BY name FOR UPDATE SKIP LOCKED")
    free: list[Any] = []
    with behind(
        database,
        database_url,
        lambda other: record(other, batch(4, "cba")).counted,
        lambda watcher: free.extend(watcher.execute(others.format(sql.Identifier(table)))),
    ) as counted:
        database.execute(sql.SQL("SELECT FROM {} WHERE name = 'b' FOR UPDATE").format(sql.Identifier(table)))
    assert (free, counted) == ([("c",)], [3])


def test_lanes_are_opened_in_the_order_of_their_keys(database: Database, database_url: str) -> None:
    """Whatever their order in the batch: who waits for one has those before it, and none after it."""
    lanes = [UUID(int=n) for n in range(3)]
    opened = "INSERT INTO lane_marks (lane, topic, partition) VALUES (%s, 'sums', 0)"

    def probe(watcher: Database) -> None:
        watcher.execute("SET lock_timeout = '200ms'")
        with watcher.transaction(force_rollback=True):
            watcher.execute(opened, (lanes[2],))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            watcher.execute(opened, (lanes[0],))

    records = [Lane(lane).record(1, place=(0, n)) for n, lane in enumerate(reversed(lanes))]
    with behind(database, database_url, lambda other: record(other, records).counted, probe) as counted:
        database.execute(opened, (lanes[1],))
    assert counted == [3]


def test_two_totalizers_with_the_same_foreign_events_count_them_once(database: Database, database_url: str) -> None:
    """The second waits for the first and finds the ids taken; opposite orders do not deadlock."""
    ids = [uuid4() for _ in range(50)]
    forward = [FakeRecord((0, n), foreign_value(event_id, 1, 0)) for n, event_id in enumerate(ids)]
    backward = [FakeRecord((1, n), foreign_value(event_id, 1, 0)) for n, event_id in enumerate(reversed(ids))]
    with behind(database, database_url, lambda other: _counted(record(other, backward))) as found:
        mine = record(database, forward)
    assert (_counted(mine), found, total(database)) == ((50, 0), [(0, 50)], (50, 50))


def _counted(outcome: Outcome) -> tuple[int, int]:
    """Return how many count, and how many are duplicates."""
    return outcome.counted, outcome.duplicates


def test_a_dead_letter_is_copied_by_one_at_a_time_and_once(database: Database, database_url: str) -> None:
    """What one replica is about to copy another leaves out, without waiting; only what was copied is marked."""
    record(database, [FakeRecord((0, 0), b"{"), FakeRecord((1, 0), b"{"), FakeRecord((1, 1), b"{")])
    oldest = "UPDATE dead_letters SET at = now() - interval '1 hour' WHERE (partition, \"offset\") = (1, 0)"
    database.execute(oldest)
    other_topic = "INSERT INTO dead_letters SELECT 'sums', %s, partition, \"offset\", key, value, value_bytes, headers"
    database.execute(f"{other_topic}, reason FROM dead_letters".encode(), (UUID(int=1),))
    ask, limit = upkeep._sql.dead_letters_to_copy.encode(), {"limit": 1}
    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as two:
        (first,) = one.execute(ask, limit).fetchall()
        others = two.execute(ask, {"limit": 9}).fetchall()
        assert (len(others), first in others) == (5, False)
        columns = {"topics": [first[0]], "topic_ids": [first[1]], "partitions": [first[2]], "offsets": [first[3]]}
        one.execute(upkeep._sql.mark_copied.encode(), columns)
    copied = database.execute('SELECT topic_id, partition, "offset" FROM dead_letters WHERE copied_at IS NOT NULL')
    assert copied.fetchall() == [(first[1], 1, 0)]
    assert len(database.execute(ask, {"limit": 9}).fetchall()) == 5


def test_topics_in_one_database_do_not_disturb_each_other(database: Database) -> None:
    """Offsets, ends and batches are of one topic, whatever partitions another has."""
    facts = TopicFacts(TOPIC_ID, {}, {0: 0, 7: 70})
    with database.transaction():
        upkeep.register(database, "tills", facts, {0: 5, 7: 0})
    assert upkeep.stored_offsets(database, "sums").keys() == {0, 1, 2}
    upkeep.store_end_offsets(database, "sums", {0: 9, 1: 8})
    record(database, [Lane().record(1, place=(0, 9))])
    rows = "SELECT partition, next_offset, end_offset FROM offsets WHERE topic = %s ORDER BY 1"
    assert database.execute(rows, ("tills",)).fetchall() == [(0, 5, 0), (7, 0, 70)]
    assert database.execute(rows, ("sums",)).fetchall() == [(0, 10, 99), (1, 0, 8), (2, 0, 0)]
    upkeep.store_end_offsets(database, "sums", {1: 4})
    assert database.execute(rows, ("sums",)).fetchall()[1] == (1, 0, 4)
