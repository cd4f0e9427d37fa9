"""A rebuild on real servers: what was lost is back, once, whoever works meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import psycopg
import pytest
from confluent_kafka import TopicPartition

from sumflow.adder import requests
from sumflow.adder.writer import Writer
from sumflow.audit.books import SystemBooks
from sumflow.audit.compare import compare
from sumflow.audit.findings import Kind
from sumflow.database import migrate
from sumflow.errors import SumflowError
from sumflow.recovery import rebuild as recovery
from sumflow.settings import AdderSettings
from sumflow.totalizer import machine
from tests.adder.support import adder_settings, relay_settings, rows, running_relay, running_writer, until
from tests.audit import scene
from tests.audit.scene import FOREIGN, LANE_EVENTS, Scene, named
from tests.totalizer.bench import Bench
from tests.totalizer.conftest import settings_for
from tests.totalizer.records import foreign_value

pytestmark = pytest.mark.integration

DAMAGE = {
    "lanes gone": "DELETE FROM lane_marks",
    "offsets gone": "DELETE FROM offsets",
    "total gone": "DELETE FROM totals",
    "total altered": "UPDATE totals SET sum = sum + 1",
    "lane altered": "UPDATE lane_marks SET sum = sum - 1",
    "never began": "DELETE FROM lane_marks; DELETE FROM offsets; UPDATE totals SET count = 3, sum = 303",
    "behind": "UPDATE lane_marks SET mark = 0, count = 0, sum = 0",
}


@contextlib.contextmanager
def _bench(one: Scene) -> Iterator[Bench]:
    with psycopg.connect(one.totalizer, autocommit=True) as connection:
        bench = Bench(settings_for(one.totalizer, one.original.kafka, one.topic), connection)
        yield bench
        bench.close()


def _rebuilt(one: Scene) -> None:
    """Rebuild; the totals are the original's, and what a totalizer reads again changes nothing."""
    decided = recovery.rebuild(one.books(), take_back=False)
    totals = [decided.after, *decided.named.values()]
    everything = (sum(total.count for total in totals), sum(total.sum for total in totals))
    with _bench(one) as bench:
        assert bench.total() == everything
        with bench.running():
            read = "SELECT bool_and(next_offset = end_offset), sum(next_offset) > 0 FROM offsets"
            bench.eventually(lambda: bench.query(read), [(True, True)])
        assert bench.total() == everything
        assert bench.query("SELECT sum(dead_letters) FROM offsets") == [(1,)]
    report = one.deep()
    assert report.clean, report.findings
    assert (report.counted, report.foreign) == (2 * LANE_EVENTS, len(FOREIGN))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_whatever_the_totalizer_lost_is_back(copy: Scene, damage: str) -> None:
    """After the rebuild, and after the whole topic was read again, the audit is clean and each event counts once."""
    with psycopg.connect(copy.totalizer, autocommit=True) as connection:
        connection.execute(damage.encode())
    _rebuilt(copy)


def test_a_rebuild_of_what_is_right_changes_nothing(copy: Scene) -> None:
    """Whoever runs it without need, or again, gets the same total."""
    _rebuilt(copy)
    _rebuilt(copy)


def test_whoever_shows_the_total_hears_of_a_rebuild(copy: Scene) -> None:
    """Readers are told with the commit, as they are of a batch."""
    with _bench(copy) as bench:
        recovery.rebuild(copy.books(), take_back=False)
        assert [notice.channel for notice in bench.database.notifies(timeout=20, stop_after=1)] == ["totals"]


def test_while_a_rebuild_works_readers_go_on_and_batches_wait(copy: Scene) -> None:
    """A batch's first lock is one that a rebuild excludes; what readers ask for is not."""
    options = "-c lock_timeout=200ms"
    with (
        psycopg.connect(copy.totalizer) as rebuilding,
        psycopg.connect(copy.totalizer, autocommit=True, options=options) as batch,
    ):
        rebuilding.execute(recovery._sql.hold_totals.encode())
        assert batch.execute("SELECT count(*) > 0 FROM offsets").fetchall() == [(True,)]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            batch.execute("SELECT FROM offsets FOR UPDATE")


def test_dead_letters_that_are_not_read_again_stay_counted(copy: Scene) -> None:
    """Those of another topic and those before the beginning; what is read again is counted again when it comes."""
    topic_id, old = UUID(int=7), UUID(int=8)
    letters = [(topic_id, 0, 3), (topic_id, 0, 4), (topic_id, 0, 5), (old, 0, 5), (topic_id, 1, 0)]
    with psycopg.connect(copy.totalizer) as connection:
        connection.execute("DELETE FROM dead_letters")
        for letter in letters:
            insert = 'INSERT INTO dead_letters (topic, topic_id, partition, "offset", headers, reason)'
            connection.execute(f"{insert} VALUES ('t', %s, %s, %s, '[]', '')".encode(), letter)
            connection.execute(f"{insert} VALUES ('another', %s, %s, %s, '[]', '')".encode(), letter)
        begin = {"topic": "t", "topic_id": topic_id, "partitions": [0, 1], "starts": [5, 0], "ends": [9, 2]}
        connection.execute(recovery._sql.set_offsets.encode(), begin)
        rows = "SELECT partition, next_offset, end_offset, dead_letters FROM offsets WHERE topic = 't' ORDER BY 1"
        assert connection.execute(rows).fetchall() == [(0, 5, 9, 3), (1, 0, 2, 0)]
        connection.rollback()


def test_another_topics_offsets_are_left_alone(copy: Scene) -> None:
    """A rebuild is of one topic: whoever reads another into the same database goes on where he was."""
    with psycopg.connect(copy.totalizer, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO offsets (topic, partition, topic_id, next_offset, end_offset)"
            " VALUES ('tills', 0, gen_random_uuid(), 3, 4)"
        )
        recovery.rebuild(copy.books(), take_back=False)
        rows = connection.execute("SELECT next_offset, end_offset FROM offsets WHERE topic = 'tills'")
        assert rows.fetchall() == [(3, 4)]


def test_a_preview_changes_nothing(copy: Scene) -> None:
    """What would be done is told, and the audit finds what it found before."""
    copy.spoil("totalizer", "UPDATE totals SET sum = sum + 5 WHERE name = ''")
    decided = recovery.preview(copy.books())
    assert decided.before.sum == decided.after.sum + 5
    assert named(copy.audit()) == {(Kind.ALTERED, "total")}


def test_what_was_counted_is_not_taken_back_without_consent(copy: Scene) -> None:
    """The adder set back by ten events: refused and unchanged; with consent, audited clean, also after more reading."""
    copy.spoil("adder", "UPDATE lanes SET last_seq = 30, count = 30, sum = 675, published_seq = 30 WHERE lane = LANE")
    with psycopg.connect(copy.adder, autocommit=True) as connection:
        connection.execute(
            "DELETE FROM events WHERE seq > 30 AND lane = (SELECT number FROM lanes WHERE last_seq = 30)"
        )
    assert {kind for kind, _ in named(copy.audit())} == {Kind.INVENTED}
    before = compare(copy.books().cut()).total
    with pytest.raises(SumflowError, match="nothing was changed") as refused:
        recovery.rebuild(copy.books(), take_back=False)
    assert "--take-back" in refused.value.remedy
    assert compare(copy.books().cut()).total == before
    recovery.rebuild(copy.books(), take_back=True)
    with _bench(copy) as bench, bench.running():
        bench.add_foreign(UUID(int=99), 1)
        bench.eventually(lambda: bench.query("SELECT count FROM foreign_totals"), [(len(FOREIGN) + 1,)])
    assert copy.audit().clean
    assert compare(copy.books().cut()).counted == 2 * LANE_EVENTS - 10


def test_an_interrupted_rebuild_has_done_nothing(copy: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks before the commit, the books are as they were, and the next attempt succeeds."""
    with psycopg.connect(copy.totalizer, autocommit=True) as connection:
        connection.execute(b"DELETE FROM lane_marks")
    before = named(copy.audit())
    for statement in ("forget_parked", "set_totals", "set_offsets", "announce"):
        with monkeypatch.context() as patch:
            patch.setattr(recovery._sql, statement, "SELECT 1/0")
            with pytest.raises(SumflowError, match="cannot be rebuilt"):
                recovery.rebuild(copy.books(), take_back=False)
        assert named(copy.audit()) == before
    _rebuilt(copy)


def test_a_halted_totalizer_goes_on_by_itself(copy: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention passed while it was away: it halts, says what to type, the audit too; rebuilt, it reads on."""
    monkeypatch.setattr(machine, "RECHECK_HALT_S", 0.3)
    with _bench(copy) as bench:
        bench.database.execute("UPDATE offsets SET next_offset = 0")
        bench.database.execute("UPDATE lane_marks SET mark = 0, count = 0, sum = 0")
        bench.database.execute("UPDATE totals SET (count, sum) = (SELECT count, sum FROM foreign_totals)")
        cut = TopicPartition(copy.topic, copy.partition(), 20)
        bench.admin.delete_records([cut])[cut].result(20)
        with bench.running() as running:
            bench.eventually(lambda: running.metric("totalizer_halted"), 1.0)
            assert "`sumflow rebuild`" in str(running.consumer.problem())
            assert any("`sumflow rebuild`" in finding.detail for finding in copy.audit().findings)
            recovery.rebuild(copy.books(), take_back=False)
            bench.eventually(lambda: running.metric("totalizer_halted"), 0.0)
            bench.eventually(lambda: bench.query("SELECT bool_and(next_offset = end_offset) FROM offsets"), [(True,)])
    report = copy.audit()
    assert (report.findings, report.counted) == ([], 2 * LANE_EVENTS)


def test_a_recreated_topic_is_found_and_rebuilt(copy: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another topic under the same name: the audit says so, and after a rebuild the new topic is read."""
    for limit in ("RECHECK_HALT_S", "CHECK_TOPIC_S"):
        monkeypatch.setattr(machine, limit, 0.3)
    with _bench(copy) as bench, bench.running() as running:
        bench.eventually(lambda: running.consumer.problem() is None, True)
        bench.admin.delete_topics([copy.topic])[copy.topic].result(20)
        bench.create_topic()
        bench.eventually(lambda: running.metric("totalizer_halted"), 1.0)
        (finding,) = copy.audit().findings
        assert (finding.kind, finding.subject) == (Kind.HELD, "topic")
        recovery.rebuild(copy.books(), take_back=False)
        bench.add_foreign(UUID(int=99), 1)
        bench.eventually(lambda: bench.query("SELECT count FROM foreign_totals"), [(len(FOREIGN) + 1,)])
        assert running.metric("totalizer_halted") == 0
    report = copy.audit()
    assert (report.findings, report.counted) == ([], 2 * LANE_EVENTS)


def test_rebuilds_under_load_lose_and_double_nothing(database_url: str, copy: Scene, kafka_bootstrap: str) -> None:
    """Writers, relay and two totalizers at work, lanes lost and rebuilt again and again: exact at the end."""
    with _fresh(database_url, copy, kafka_bootstrap) as (bench, books):
        with bench.running(), bench.running():
            accepted = asyncio.run(_load_and_rebuild(bench, books, database_url))
        assert bench.query("SELECT count(*) FROM parked") == [(0,)]
        report = compare(books.cut())
        assert (report.findings, report.lag, report.counted) == ([], 0, accepted)


@contextlib.contextmanager
def _fresh(adder: str, copy: Scene, kafka_bootstrap: str) -> Iterator[tuple[Bench, SystemBooks]]:
    """Beside an adder's database, a totalizer's and a topic with nothing in them: what runs on them, and the books."""
    with scene.database(copy.original.postgres_url) as totalizer, scene._topic(kafka_bootstrap) as topic:
        settings = settings_for(totalizer, kafka_bootstrap, topic)
        migrate(settings, "sumflow.totalizer")
        with psycopg.connect(totalizer, autocommit=True) as connection:
            bench = Bench(settings, connection)
            yield bench, SystemBooks.of_servers(adder, totalizer, kafka_bootstrap, topic)
            bench.close()


async def _load_and_rebuild(bench: Bench, books: SystemBooks, adder: str) -> int:
    settings = adder_settings(adder)
    bootstrap, topic = bench.settings.kafka_bootstrap_servers, bench.settings.kafka_topic
    async with running_relay(relay_settings(settings, bootstrap, topic)):
        async with _loading(settings) as accepted:
            for number in range(6):
                goal = len(accepted) + 40
                await until(lambda goal=goal: len(accepted) >= goal)  # type: ignore[misc]
                if number % 2:
                    await asyncio.to_thread(bench.query, "DELETE FROM lane_marks RETURNING lane")
                decided = await asyncio.to_thread(recovery.rebuild, books, take_back=False)
                assert decided.after.count > 0
        await until(lambda: compare(books.cut()).lag == 0, 60)
    return 3 * len(accepted)


@contextlib.asynccontextmanager
async def _loading(settings: AdderSettings) -> AsyncIterator[list[int]]:
    """Two writers under load; yields a list that grows by one for each acknowledged batch of three."""
    accepted: list[int] = []
    enough = asyncio.Event()

    async def load(writer: Writer) -> None:
        while not enough.is_set():
            await writer.submit(requests.batch([len(accepted), -1, 2**62], [3, 4, 1], "", None))
            accepted.append(3)

    async with running_writer(settings) as one, running_writer(settings) as two:
        loads = [asyncio.create_task(load(writer)) for writer in (one, two)]
        yield accepted
        enough.set()
        await asyncio.gather(*loads)


def test_named_totals_come_back(database_url: str, copy: Scene, kafka_bootstrap: str) -> None:
    """What lanes and foreign events brought to each name is there again, and a name that nobody used is gone.

    It does not matter whether what is on its way to the topic is recorded; what never was on its way comes later.
    """
    with _fresh(database_url, copy, kafka_bootstrap) as (bench, books):
        bench.send(foreign_value(UUID(int=1), 5, 0), [("total", b"b")])
        bench.producer.flush(10)
        asyncio.run(_accept_named(database_url, bench))
        with bench.running():
            bench.eventually(lambda: bench.query("SELECT sum(count) FROM totals"), [(5,)])
        right = bench.query("SELECT name, count, sum FROM totals ORDER BY name")
        assert right == [("", 1, 1), ("a", 2, 22), ("b", 2, 38)]
        bench.database.execute(
            "UPDATE totals SET name = 'c' WHERE name = 'b'; UPDATE totals SET sum = 0 WHERE name <> ''"
        )
        settings = adder_settings(database_url)
        rows(settings, "UPDATE lanes SET published_seq = 0")
        asyncio.run(_accept(settings, (7, "a")))
        recovery.rebuild(books, take_back=False)
        assert bench.query("SELECT name, count, sum FROM totals ORDER BY name") == right


async def _accept(settings: AdderSettings, *named: tuple[int, str]) -> None:
    """Store numbers under names, in a lane of their own."""
    async with running_writer(settings) as writer:
        xs, names = [x for x, _ in named], [name for _, name in named]
        await writer.submit(requests.batch(xs, [0] * len(xs), "", None, names))


async def _accept_named(adder: str, bench: Bench) -> None:
    settings = adder_settings(adder)
    bootstrap, topic = bench.settings.kafka_bootstrap_servers, bench.settings.kafka_topic
    await _accept(settings, (1, ""), (10, "a"), (12, "a"), (33, "b"))
    async with running_relay(relay_settings(settings, bootstrap, topic)):
        await until(lambda: rows(settings, "SELECT count(*) FROM lanes WHERE drained_at IS NULL") == [(0,)])
