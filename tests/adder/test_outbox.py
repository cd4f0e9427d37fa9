"""Days are made ahead and dropped whole; an event that is not published is never dropped."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from sumflow import database
from sumflow.adder import outbox
from sumflow.adder.outbox import day_of, name_of, plan
from sumflow.settings import AdderSettings
from tests.adder.support import add, rows, running_writer, until

pytestmark = pytest.mark.anyio
TODAY = date(2026, 3, 1)


def test_the_coming_days_are_made_once() -> None:
    """Today and three more days, across the month's end, without those that exist."""
    made = plan(["events_default", name_of(TODAY)], TODAY - timedelta(days=1), 7).make
    assert [name_of(day) for day in made] == ["events_20260228", "events_20260302", "events_20260303"]


def test_a_day_is_dropped_when_all_of_it_is_older_than_the_retention() -> None:
    """Seven days ago is kept: its last event is younger than seven days."""
    names = [name_of(TODAY - timedelta(days=ago)) for ago in range(10)]
    assert plan(names, TODAY, 7).drop == (TODAY - timedelta(days=9), TODAY - timedelta(days=8))


@pytest.mark.parametrize("name", ["events_default", "events_2026030", "lanes", "events_20260301_old"])
def test_what_is_not_a_day_is_never_dropped(name: str) -> None:
    """Only names that are exactly a day's are looked at."""
    assert day_of(name) is None


def _old_day(settings: AdderSettings, published_seq: int) -> str:
    """Make a lane whose three events are a month old; return their partition's name."""
    first = datetime.now(UTC).date() - timedelta(days=30)
    name, bounds = name_of(first), f"FROM ('{first}Z') TO ('{first + timedelta(days=1)}Z')"
    rows(settings, f"CREATE TABLE {name} PARTITION OF events FOR VALUES {bounds}")
    lane = "INSERT INTO lanes (lane, owner, last_seq, count, published_seq) VALUES (gen_random_uuid(), 'x', 3, 3, %s)"
    rows(settings, lane, published_seq)
    events = "INSERT INTO events SELECT number, seq, 1, 1, %s::timestamp AT TIME ZONE 'UTC' FROM lanes"
    rows(settings, f"{events}, generate_series(1, 3) AS seq", first)
    return name


@pytest.mark.integration
@pytest.mark.parametrize("closed_at", [None, datetime.now(UTC)], ids=["open", "closed"])
@pytest.mark.parametrize(("published_seq", "is_kept"), [(3, False), (2, True)])
async def test_an_old_day_goes_only_when_it_is_published(
    settings: AdderSettings, published_seq: int, is_kept: bool, closed_at: datetime | None
) -> None:
    """One event that Kafka has not acknowledged keeps the whole day, lane closed or not; another lane keeps nothing."""
    database.migrate(settings, "sumflow.adder")
    name = _old_day(settings, published_seq)
    rows(settings, "UPDATE lanes SET closed_at = %s", closed_at)
    rows(settings, "INSERT INTO lanes (lane, owner) VALUES (gen_random_uuid(), 'idle')")
    await outbox.maintain(settings, 7)
    names = {found for (found,) in rows(settings, "SELECT inhrelid::regclass::text FROM pg_inherits")}
    assert (name in names) is is_kept
    assert len([found for found in names if day_of(found)]) == 4 + is_kept


@pytest.mark.integration
@pytest.mark.parametrize(
    ("ahead_days", "published_seq"),
    [(-30, 3), (10, 3), (10, 4)],
    ids=["into an old day", "into no day", "into no day, and published"],
)
async def test_a_commit_of_the_last_moment_keeps_its_day(
    settings: AdderSettings, ahead_days: int, published_seq: int
) -> None:
    """An adder whose clock is wrong stores among old events while these are about to go: its event stays."""
    database.migrate(settings, "sumflow.adder")
    await outbox.prepare(settings)
    name = _old_day(settings, published_seq=3)
    if ahead_days > 0:
        rows(settings, f"DROP TABLE {name}")
        old = "INSERT INTO events SELECT number, seq, 1, 1, now() - interval '30 days'"
        rows(settings, f"{old} FROM lanes, generate_series(1, 3) AS seq")
    with psycopg.connect(database.conninfo(settings, "late")) as late:
        late.execute("UPDATE lanes SET last_seq = 4, count = 4, published_seq = %s", (published_seq,))
        day = datetime.now(UTC) + timedelta(days=ahead_days)
        late.execute("INSERT INTO events SELECT number, 4, 1, 1, %s FROM lanes", (day,))
        upkeep = asyncio.create_task(outbox.maintain(settings, 7))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        await until(lambda: rows(settings, waiting))
        late.commit()
        await upkeep
    assert rows(settings, "SELECT seq FROM events ORDER BY seq") == [(1,), (2,), (3,), (4,)]


@pytest.mark.integration
async def test_rows_in_the_default_partition_are_kept_until_they_are_old(settings: AdderSettings) -> None:
    """A day that the default partition holds cannot be made, which harms nothing; old rows there go too."""
    database.migrate(settings, "sumflow.adder")
    rows(settings, "INSERT INTO events VALUES (1, 1, 1, 1, now()), (1, 2, 1, 1, now() - interval '30 days')")
    await outbox.maintain(settings, 7)
    assert rows(settings, "SELECT count(*) FROM events_default") == [(2,)]
    rows(settings, "UPDATE events SET created_at = now() - interval '30 days'")
    await outbox.maintain(settings, 7)
    assert rows(settings, "SELECT count(*) FROM events") == [(0,)]


@pytest.mark.integration
async def test_what_has_no_day_stays_until_it_is_published(settings: AdderSettings) -> None:
    """However old it is, and although nobody else needs what is there."""
    database.migrate(settings, "sumflow.adder")
    rows(settings, "INSERT INTO lanes (lane, owner, last_seq, count) VALUES (gen_random_uuid(), 'x', 1, 1)")
    rows(settings, "INSERT INTO events SELECT number, 1, 1, 1, now() - interval '30 days' FROM lanes")
    await outbox.maintain(settings, 7)
    assert rows(settings, "SELECT count(*) FROM events") == [(1,)]


@pytest.mark.integration
async def test_a_writer_stores_in_the_days_own_partition(settings: AdderSettings) -> None:
    """It does not depend on a relay's upkeep: what went into the default partition could not be dropped by the day."""
    before = datetime.now(UTC)
    async with running_writer(settings) as writer:
        await add(writer, 1, 1)
    ((found,),) = rows(settings, "SELECT tableoid::regclass::text FROM events")
    assert found in {name_of(before.date()), name_of(datetime.now(UTC).date())}


@pytest.mark.integration
@pytest.mark.parametrize(("age_hours", "is_kept"), [(8 * 24 - 1, True), (8 * 24 + 1, False)])
async def test_what_has_no_day_stays_as_long_as_the_oldest_day(
    settings: AdderSettings, age_hours: int, is_kept: bool
) -> None:
    """An audit takes the outbox for whole from the oldest day on: what is younger than its beginning must be there."""
    database.migrate(settings, "sumflow.adder")
    rows(settings, "INSERT INTO events VALUES (1, 1, 1, 1, now() - make_interval(hours => %s))", age_hours)
    await outbox.maintain(settings, 7)
    assert rows(settings, "SELECT count(*) FROM events") == [(int(is_kept),)]


@pytest.mark.integration
async def test_request_ids_are_kept_for_a_week(settings: AdderSettings) -> None:
    """A retry a day later is still known; after more than a week its id is forgotten."""
    database.migrate(settings, "sumflow.adder")
    request = (
        "INSERT INTO requests VALUES (%s::text, gen_random_uuid(), 1, '', 1, 1, now() - make_interval(days => %s))"
    )
    for days in (1, 6, 8, 9):
        rows(settings, request, days, days)
    await outbox.maintain(settings, 7)
    assert rows(settings, "SELECT request_id FROM requests ORDER BY 1") == [("1",), ("6",)]


@pytest.mark.integration
async def test_more_request_ids_than_one_statement_forgets_are_forgotten(
    settings: AdderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements are short, and there are as many as it takes."""
    monkeypatch.setattr(outbox, "FORGET_AT_ONCE", 10)
    database.migrate(settings, "sumflow.adder")
    request = "INSERT INTO requests SELECT n::text, gen_random_uuid(), 1, '', 1, 1, now() - interval '8 days'"
    rows(settings, f"{request} FROM generate_series(1, 35) AS n")
    await outbox.maintain(settings, 7)
    assert rows(settings, "SELECT count(*) FROM requests") == [(0,)]
