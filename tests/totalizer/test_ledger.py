"""The transaction on a real PostgreSQL: what counts, what waits, what is put aside, and who owns a partition."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from importlib import resources
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sumflow.totalizer import upkeep
from sumflow.totalizer.ledger import Outcome, OwnershipLostError, Reading, record_batch
from sumflow.totalizer.metrics import Metrics
from sumflow.totalizer.positions import TopicFacts
from sumflow.totalizer.records import VALUE_LIMIT_BYTES, sort
from tests.totalizer.bench import as_ints
from tests.totalizer.records import CREATED_AT, FakeRecord, Lane, foreign_value

pytestmark = pytest.mark.integration
TOPIC_ID = uuid4()
Database = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def partitions(database: Database) -> None:
    """Three partitions are known and a day has begun."""
    with database.transaction():
        upkeep.turn_day(database, 30)
        upkeep.register(database, "sums", TopicFacts(TOPIC_ID, {}, {0: 0, 1: 0, 2: 0}), {0: 0, 1: 0, 2: 0})


def record(database: Database, records: Iterable[FakeRecord], positions: dict[int, int] | None = None) -> Outcome:
    """Write records as one batch, from the stored positions unless others are given."""
    stored = {p: s.next_offset for p, s in upkeep.stored_offsets(database, "sums").items()}
    with database.transaction():
        return record_batch(database, sort(records), Reading("sums", TOPIC_ID, positions or stored, {0: 99}))


def total(database: Database) -> tuple[int, int]:
    """Return the count and the sum."""
    return as_ints(database.execute("SELECT count, sum FROM totals").fetchall()[0])


def lane_row(database: Database, lane: Lane) -> tuple[int, int, int, int]:
    """Return a lane's mark, count, sum and number of parked events; the rows in `parked` agree with it."""
    row = database.execute("SELECT mark, count, sum, parked FROM lane_marks WHERE lane = %s", (lane.lane,)).fetchall()[
        0
    ]
    ((rows,),) = database.execute("SELECT count(*) FROM parked WHERE lane = %s", (lane.lane,)).fetchall()
    assert rows == row[3]
    return as_ints(row)


def test_a_batch_counts_with_its_marks_and_offsets(database: Database) -> None:
    """Total, marks and next offsets come of the same batch; lanes and foreign events count alike."""
    one, two = Lane(), Lane()
    foreign = FakeRecord((2, 6), foreign_value(uuid4(), -7, 0))
    outcome = record(
        database, [one.record(1, 10, 1), one.record(2, 20, 2, (0, 1)), two.record(1, 5, 0, (1, 0)), foreign]
    )
    assert (outcome.counted, outcome.sum, total(database)) == (4, 31, (4, 31))
    assert lane_row(database, one) == (2, 2, 33, 0)
    stored = {p: s.next_offset for p, s in upkeep.stored_offsets(database, "sums").items()}
    assert stored == {0: 2, 1: 1, 2: 7}
    ends = "SELECT end_offset FROM offsets ORDER BY partition"
    assert database.execute(ends).fetchall() == [(99,), (1,), (7,)], "as far as known, and not before what is read"


def test_what_foreign_events_bring_is_kept_apart(database: Database) -> None:
    """Lanes and foreign events explain the total to the last unit, duplicates and mixed batches included."""
    lane, known = Lane(), uuid4()
    record(database, [lane.record(1, 10, 1), FakeRecord((2, 6), foreign_value(known, -7, 0))])
    again = [FakeRecord((2, 7), foreign_value(known, -7, 0)), FakeRecord((2, 8), foreign_value(uuid4(), 100, 1))]
    record(database, [*again, lane.record(2, 5, 0, (0, 1))])
    record(database, [lane.record(3, 1, 0, (0, 2))])
    ((count, brought),) = database.execute("SELECT count, sum FROM foreign_totals").fetchall()
    assert (as_ints((count, brought)), lane_row(database, lane)) == ((2, 94), (3, 3, 17, 0))
    assert total(database) == (5, 111)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE totals SET sum = sum + 1", "UPDATE lane_marks SET count = count - 1", "DELETE FROM foreign_totals"],
)
def test_a_total_that_nothing_explains_alarms(database: Database, statement: str) -> None:
    """The totalizer itself notices when one of the rows that explain each other was changed."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, "sums")
    record(database, [Lane().record(1, 10, 1), FakeRecord((2, 6), foreign_value(uuid4(), 100, 1))])
    upkeep.show_unexplained(database, metrics)
    assert registry.get_sample_value("totalizer_total_unexplained") == 0
    database.execute(statement.encode())
    upkeep.show_unexplained(database, metrics)
    assert registry.get_sample_value("totalizer_total_unexplained") == 1


def test_a_total_from_before_is_explained_by_the_migration(database: Database) -> None:
    """A database that counted foreign events before they were kept apart has the difference as its beginning."""
    lane = Lane()
    record(database, [lane.record(1, 10, 1), FakeRecord((2, 6), foreign_value(uuid4(), 100, 1))])
    database.execute("DROP TABLE foreign_totals")
    statements = resources.files("sumflow.totalizer").joinpath("migrations/0002-foreign.sql").read_text()
    with database.transaction():
        database.execute(statements.encode())
    ((count, brought),) = database.execute("SELECT count, sum FROM foreign_totals").fetchall()
    assert as_ints((count, brought)) == (1, 101)


def test_totals_outgrow_64_bits(database: Database) -> None:
    """Sums of 64-bit results are exact beyond 64 bits, in both directions."""
    lane, big = Lane(), 2**63 - 1
    record(database, [lane.record(seq, big, 0, (0, seq)) for seq in range(1, 4)])
    assert total(database) == (3, 3 * big)
    record(database, [lane.record(seq, -big - 1, 0, (0, seq)) for seq in range(4, 10)])
    assert total(database) == (9, 3 * big - 6 * 2**63)


def test_duplicates_change_nothing(database: Database) -> None:
    """A lane that is published again from its beginning, in the same batch and in a later one, counts once."""
    lane = Lane()
    first = record(database, [lane.record(1), lane.record(2, place=(0, 1)), lane.record(1, place=(0, 2))])
    later = record(database, [lane.record(1, place=(0, 3)), lane.record(2, place=(0, 4)), lane.record(3, place=(0, 5))])
    assert (first.duplicates, later.duplicates, later.counted) == (1, 2, 1)
    assert lane_row(database, lane) == (3, 3, 3, 0)


def test_a_gap_parks_and_its_closing_counts(database: Database) -> None:
    """What is ahead waits in the database and counts in the transaction that closes the gap, up to the next gap."""
    lane = Lane()
    parked = record(database, [lane.record(seq, 10**seq, 0, (0, seq)) for seq in (1, 3, 4, 6)])
    assert (parked.counted, parked.parked, lane_row(database, lane)) == (1, 3, (1, 1, 10, 3))
    kept = 'SELECT seq, x, y, result, created_at, topic, partition, "offset" FROM parked WHERE seq = 3'
    created_at = datetime.fromisoformat(CREATED_AT)
    assert database.execute(kept).fetchall() == [(3, 10**3, 0, 10**3, created_at, "sums", 0, 3)]
    again = record(database, [lane.record(4, 10**4, 0, (0, 7))])
    assert (again.parked, again.duplicates, lane_row(database, lane)) == (0, 1, (1, 1, 10, 3))
    closed = record(database, [lane.record(2, 100, 0, (0, 8))])
    assert (closed.counted, closed.settled, lane_row(database, lane)) == (3, 2, (4, 4, 11110, 1))
    assert total(database) == (4, 11110)
    assert record(database, [lane.record(5, 10**5, 0, (0, 9))]).settled == 1
    assert lane_row(database, lane) == (6, 6, 1111110, 0)


def test_what_waited_is_as_old_as_its_oldest_event_that_counts(database: Database) -> None:
    """What is parked twice over was counted before: its age is not that of the gap's closing."""
    lane = Lane()
    moments = {seq: f"2026-01-02T03:04:{seq:02}Z" for seq in (2, 3, 4)}
    late = [FakeRecord((0, seq), lane.value(seq, 1, 0, at), lane.headers(seq)) for seq, at in moments.items()]
    record(database, late)
    outcome = record(database, [lane.record(1, place=(0, 8)), lane.record(2, place=(0, 9))])
    waited = [each for each in outcome.acknowledged if each.at == datetime.fromisoformat(moments[3])]
    assert [each.count for each in waited] == [2]
    assert [each.count for each in outcome.acknowledged if each not in waited] == [2]


def test_a_batch_may_pass_what_is_parked(database: Database) -> None:
    """A parked event that comes again in order counts once and leaves; what follows it counts too."""
    lane = Lane()
    record(database, [lane.record(seq, place=(0, seq)) for seq in (2, 4)])
    record(database, [lane.record(seq, place=(0, seq + 10)) for seq in (1, 2, 3, 5, 7)])
    assert lane_row(database, lane) == (5, 5, 5, 1)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.lists(st.integers(1, 9), max_size=8), max_size=6))
def test_any_delivery_counts_the_contiguous_prefix(database: Database, batches: list[list[int]]) -> None:
    """Whatever the order, the duplicates and the batches, a lane's total is that of its prefix without a gap."""
    lane = Lane()
    before = total(database)
    for seqs in batches:
        record(database, [lane.record(seq, 10**seq, 0, (0, offset)) for offset, seq in enumerate(seqs)])
    seen = {seq for seqs in batches for seq in seqs}
    mark = next(seq for seq in range(11) if seq + 1 not in seen)
    expected = sum(10**seq for seq in range(1, mark + 1))
    if seen:
        assert lane_row(database, lane) == (mark, mark, expected, len([seq for seq in seen if seq > mark]))
    assert total(database) == (before[0] + mark, before[1] + expected)


def test_foreign_events_count_once_by_their_id(database: Database) -> None:
    """The same id counts once: within a batch, across batches and partitions, and whatever it says the second time."""
    event_id, day = uuid4(), "2026-03-04T05:06:07Z"
    first = record(
        database, [FakeRecord((0, 0), foreign_value(event_id, 5, 0)), FakeRecord((1, 0), foreign_value(event_id, 5, 0))]
    )
    later = record(database, [FakeRecord((2, 0), foreign_value(event_id, 5, 0, created_at=day))])
    assert (first.counted, first.duplicates, later.duplicates, total(database)) == (1, 1, 1, (1, 5))


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Etc/GMT-14"])
def test_days_are_those_of_utc(database: Database, zone: str) -> None:
    """Whatever zone the server is set to: one of these has another day at any time."""
    database.execute(f"SET TIME ZONE '{zone}'".encode())
    before = datetime.now(UTC).date()
    ((_, today),) = database.execute(upkeep._sql.lock_day.encode()).fetchall()
    assert today in {before, datetime.now(UTC).date()}


def test_foreign_ids_are_remembered_over_days_and_forgotten_after_their_retention(database: Database) -> None:
    """A new day has a partition of its own; the older are still looked at, those past retention are dropped."""
    old, kept = uuid4(), uuid4()
    for event_id, day in ((old, date(2001, 1, 1)), (kept, date(2001, 2, 1))):
        with database.transaction():
            name = upkeep.partition_name(day)
            database.execute(f"CREATE TABLE {name} PARTITION OF processed_events FOR VALUES IN ('{day}')".encode())
            database.execute("UPDATE processed_day SET day = %s", (day,))
        assert record(database, [FakeRecord((0, 0), foreign_value(event_id, 1, 0))]).counted == 1
    days = (date.today() - date(2001, 1, 15)).days  # noqa: DTZ011
    with database.transaction():
        database.execute(f"DROP TABLE {upkeep.partition_name(date.today())}".encode())  # noqa: DTZ011
        upkeep.turn_day(database, days)
    assert record(database, [FakeRecord((0, 0), foreign_value(kept, 1, 0))]).counted == 0
    assert record(database, [FakeRecord((0, 0), foreign_value(old, 1, 0))]).counted == 1


@pytest.mark.parametrize(
    ("positions", "topic_id"),
    [
        ({0: 1, 1: 0, 2: 0}, TOPIC_ID),
        ({0: 0, 1: 0, 2: 1}, TOPIC_ID),
        ({0: 0, 1: 0, 2: -1}, TOPIC_ID),
        ({0: 0, 1: 0, 2: 0}, UUID(int=5)),
        ({0: 0, 1: 0, 2: 0}, UUID(int=2**128 - 1)),
        ({0: 0, 7: 0}, TOPIC_ID),
    ],
)
def test_who_does_not_own_the_partition_writes_nothing(
    database: Database, positions: dict[int, int], topic_id: UUID
) -> None:
    """Another next offset, another topic, an unknown partition: the batch is given up whole."""
    lane = Lane()
    records = [lane.record(1, place=(partition, 5)) for partition in positions]
    with pytest.raises(OwnershipLostError), database.transaction():
        record_batch(database, sort(records), Reading("sums", topic_id, positions, {}))
    assert total(database) == (0, 0)
    assert database.execute("SELECT count(*) FROM lane_marks").fetchall() == [(0,)]


def test_dead_letters_are_kept_whole(database: Database) -> None:
    """Everything that is needed to judge a record is there: place, value, key, headers, reason, lane and seq."""
    lane = Lane()
    bad = FakeRecord((1, 4), b"\x00\xff{", [*lane.headers(3), ("n\x00", b"\x00")], b"\x00key")
    tombstone = FakeRecord((1, 5), None)
    outcome = record(database, [bad, tombstone, FakeRecord((2, 0), b"{" * (VALUE_LIMIT_BYTES + 1))])
    assert (outcome.dead_letters, total(database)) == (3, (0, 0))
    cut = database.execute("SELECT length(value), value_bytes FROM dead_letters WHERE partition = 2").fetchall()
    assert cut == [(VALUE_LIMIT_BYTES, VALUE_LIMIT_BYTES + 1)]
    rows = database.execute(
        'SELECT partition, "offset", value, value_bytes, key, headers, lane, seq, topic_id '
        'FROM dead_letters WHERE partition = 1 ORDER BY "offset"'
    ).fetchall()
    headers = [["lane", str(lane.lane).encode().hex()], ["seq", "33"], ["n\\x00", "00"]]
    assert rows == [
        (1, 4, b"\x00\xff{", 3, b"\x00key", headers, lane.lane, 3, TOPIC_ID),
        (1, 5, None, None, None, [], None, None, TOPIC_ID),
    ]
    letters = "SELECT partition, dead_letters FROM offsets WHERE dead_letters > 0 ORDER BY 1"
    assert database.execute(letters).fetchall() == [(1, 2), (2, 1)]
    record(database, [FakeRecord((1, 6), None)])
    assert database.execute(letters).fetchall() == [(1, 3), (2, 1)]


def test_a_dead_letter_that_is_read_again_is_kept_once(database: Database) -> None:
    """Offsets that were set back by hand do not hold the totalizer at what it has put aside already."""
    for _ in range(2):
        database.execute("UPDATE offsets SET next_offset = 0")
        record(database, [FakeRecord((1, 4), b"{")])
    assert database.execute('SELECT partition, "offset" FROM dead_letters').fetchall() == [(1, 4)]


def test_an_undecodable_event_of_a_lane_does_not_move_its_mark(database: Database) -> None:
    """It is put aside, the gap stays and what follows waits: nothing is skipped; the repaired event closes the gap."""
    lane = Lane()
    record(database, [lane.record(1), FakeRecord((0, 1), b"{", lane.headers(2)), lane.record(3, place=(0, 2))])
    assert lane_row(database, lane) == (1, 1, 1, 1)
    record(database, [lane.record(2, place=(0, 3))])
    assert lane_row(database, lane) == (3, 3, 3, 0)
