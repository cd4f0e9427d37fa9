"""The consumer on real Kafka and PostgreSQL: exact whatever is delivered, and whatever happens in between."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from sumflow.database import SchemaBusyError, conninfo, migrations, newest_migration
from sumflow.errors import SumflowError
from sumflow.totalizer import broker, consumer, machine
from tests.totalizer.bench import PATIENCE_S, Bench, Running
from tests.totalizer.records import Lane, foreign_value

pytestmark = pytest.mark.integration


def up_to(last: int) -> list[int]:
    """Return the seqs from 1."""
    return list(range(1, last + 1))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the topic, and at a halt again, every half second: what is found is the same, only sooner."""
    monkeypatch.setattr(machine, "CHECK_TOPIC_S", 0.5)
    monkeypatch.setattr(machine, "RECHECK_HALT_S", 0.5)


def test_lanes_on_all_partitions_are_counted(bench: Bench) -> None:
    """Everything that was there before the start and everything that comes later counts once; Kafka is told how far."""
    lanes = [Lane() for _ in range(3)]
    for partition, lane in enumerate(lanes):
        bench.add(lane, up_to(40), partition)
    with bench.running() as running:
        bench.eventually(bench.total, (120, 3 * 820))
        for partition, lane in enumerate(lanes):
            bench.add(lane, up_to(50), partition)
        bench.eventually(bench.total, (150, 3 * 1275))
        bench.eventually(lambda: running.consumed(bench.settings.kafka_topic, "duplicate"), 120.0)
        assert running.consumed(bench.settings.kafka_topic, "success") == 150
        assert running.metric("event_processing_latency_seconds_count") == 150
        assert running.consumer.problem() is None
    assert committed_to_kafka(bench) == [90, 90, 90]


def test_one_that_is_back_under_its_name_reads_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group gives it what it had, however long a lost member is waited for; a new member would have to wait."""
    monkeypatch.setattr(broker, "SESSION_TIMEOUT_MS", 300_000)
    named = msgspec.structs.replace(bench.settings, kafka_group_instance="totalizer-0")
    lane = Lane()
    bench.add(lane, up_to(10))
    for last in (10, 20):
        # A named member leaves the group neither when it is killed nor when it ends in order.
        with bench.running(named):
            bench.add(lane, list(range(last - 9, last + 1)))
            bench.eventually(lambda last=last: bench.total()[0], last)  # type: ignore[misc]
        group = bench.admin.describe_consumer_groups([named.kafka_group])[named.kafka_group].result(20)
        assert [member.group_instance_id for member in group.members] == ["totalizer-0"]


def test_of_two_with_one_name_the_older_ends(bench: Bench) -> None:
    """The later one takes the partitions over and counts on, each event once; the earlier one says why it ends."""
    named = msgspec.structs.replace(bench.settings, kafka_group_instance="totalizer-0")
    older, lane = Running(named), Lane()
    older.thread.start()
    bench.add(lane, up_to(10))
    bench.eventually(bench.total, (10, 55))
    with bench.running(named):
        bench.add(lane, list(range(5, 21)))
        older.thread.join(PATIENCE_S)
        assert not older.thread.is_alive()
        bench.eventually(bench.total, (20, 210))
    assert isinstance(older.failure, SumflowError)
    assert "fenced by other consumer" in older.failure.why
    assert "another one reads as 'totalizer-0'" in older.failure.remedy


def committed_to_kafka(bench: Bench) -> list[int]:
    """Return the group's offsets, as tools for lag see them."""
    asking = Consumer(
        {"bootstrap.servers": bench.settings.kafka_bootstrap_servers, "group.id": bench.settings.kafka_group}
    )
    places = asking.committed([TopicPartition(bench.settings.kafka_topic, p) for p in range(3)], timeout=10)
    asking.close()
    return [place.offset for place in places]


def test_a_gap_outlives_a_restart_and_closes(bench: Bench) -> None:
    """What is parked waits in the database, not in the process."""
    lane = Lane()
    with bench.running():
        bench.add(lane, [1, 2, 4, 5])
        bench.eventually(lambda: bench.query("SELECT mark, parked FROM lane_marks"), [(2, 2)])
    with bench.running() as running:
        bench.add(lane, [3])
        bench.eventually(bench.total, (5, 15))
        bench.eventually(lambda: running.metric("totalizer_parked_events"), 0.0)


def test_poison_between_good_records_is_put_aside(bench: Bench) -> None:
    """Every sort of poison is in the table with its place; what is around it counts; a probe changes nothing."""
    lane, topic = Lane(), bench.settings.kafka_topic
    poison: list[tuple[bytes | None, Any]] = [
        (None, None),
        (b"", None),
        (b"\x00" * 900_000, None),
        (b'{"event_id": "x"}', None),
        (foreign_value(uuid4(), 1, 1, event_type="a\x00b"), [("h\x00", b"\xff\x00")]),
        (foreign_value(uuid4(), 2**64, 1), None),
        (lane.value(1, 1, 0), [("lane", b"nonsense"), ("seq", b"1")]),
        (lane.value(99, 1, 0), lane.headers(98)),
    ]
    with bench.running() as running:
        for seq, (value, headers) in enumerate(poison, 1):
            bench.send(lane.value(seq, seq, 0), lane.headers(seq))
            bench.send(value, headers)
            bench.send(b"anything", [("sumflow-probe", b"1")])
        bench.add_foreign(uuid4(), 1000)
        bench.eventually(bench.total, (9, 36 + 1000))
        places = bench.query(
            'SELECT "offset", value IS NOT DISTINCT FROM %s FROM dead_letters WHERE "offset" = 7', poison[2][0]
        )
        assert places == [(7, True)]
        assert bench.query('SELECT "offset" FROM dead_letters ORDER BY 1') == [(n * 3 + 1,) for n in range(8)]
        assert running.consumed(topic, "dead_letter") == 8
        assert running.consumed(topic, "probe") == 8


def test_the_same_foreign_event_on_two_partitions_counts_once(bench: Bench) -> None:
    """A producer without lanes may send an event twice, even to two totalizers."""
    ids = [uuid4() for _ in range(30)]
    with bench.running(), bench.running():
        for partition in (0, 1, 2, 1):
            for event_id in ids:
                bench.send(foreign_value(event_id, 2, 0), None, partition)
        bench.producer.flush(10)
        bench.eventually(lambda: bench.query("SELECT sum(next_offset) FROM offsets"), [(120,)])
        assert bench.total() == (30, 60)


def test_a_second_totalizer_takes_its_share_and_gives_it_back(bench: Bench) -> None:
    """Partitions move between totalizers in the middle of a load, and every event counts once."""
    lanes = [Lane() for _ in range(3)]
    with bench.running() as first:
        for partition, lane in enumerate(lanes):
            bench.add(lane, up_to(100), partition)
        with bench.running() as second:
            for partition, lane in enumerate(lanes):
                bench.add(lane, list(range(101, 201)), partition)
            bench.eventually(bench.total, (600, 3 * 20100))
            bench.eventually(lambda: second.consumer.problem() is None, True)
        for partition, lane in enumerate(lanes):
            bench.add(lane, list(range(201, 301)), partition)
        bench.eventually(bench.total, (900, 3 * 45150))
        assert first.consumer.problem() is None


def test_more_totalizers_than_partitions_are_ready_and_idle(bench: Bench) -> None:
    """One that has nothing to read is not broken."""
    with bench.running() as a, bench.running() as b, bench.running() as c, bench.running() as d:
        bench.eventually(lambda: [r.consumer.problem() for r in (a, b, c, d)], [None] * 4)
        bench.add(Lane(), up_to(5))
        bench.eventually(bench.total, (5, 15))


def test_two_consumers_on_one_partition_do_each_other_no_harm(bench: Bench) -> None:
    """Two groups, so that both read everything: the compare-and-set lets each event count once."""
    other = msgspec.structs.replace(
        bench.settings, kafka_group=f"{bench.settings.kafka_group}-zombie", totalizer_batch=7
    )
    lane = Lane()
    with bench.running() as one, bench.running(other) as two:
        bench.eventually(lambda: (one.consumer.problem(), two.consumer.problem()), (None, None))
        for start in range(1, 1001, 50):
            bench.add(lane, list(range(start, start + 50)))
        bench.eventually(bench.total, (1000, 500500))
        bench.add(lane, list(range(1001, 1011)))
        bench.eventually(bench.total, (1010, 510555))
        bench.eventually(lambda: lost(one) + lost(two) > 0, True)


def lost(running: Running) -> float:
    """Return how often a consumer found that another one had counted what it was about to count."""
    return running.metric("totalizer_ownership_lost_total")


def test_sessions_that_are_cut_lose_and_repeat_nothing(bench: Bench) -> None:
    """PostgreSQL ends the session again and again, before, within and after transactions."""
    lane = Lane()
    with bench.running():
        for start in range(1, 2001, 100):
            bench.add(lane, list(range(start, start + 100)), start // 100 % 3)
            bench.eventually(lambda: cut_sessions(bench) > 0, True)
        bench.eventually(bench.total, (2000, 2001000))


def cut_sessions(bench: Bench) -> int:
    """End the consumers' sessions; return how many there were."""
    ended = bench.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'sumflow-totalizer'"
    )
    return len(ended)


def test_a_lock_that_is_held_too_long_is_waited_out(bench: Bench) -> None:
    """A transaction that cannot proceed is given up and repeated; the total is right when the lock is gone."""
    with bench.running() as running, psycopg.connect(conninfo(bench.settings, "blocker")) as blocker:
        bench.eventually(lambda: running.consumer.problem(), None)
        blocker.execute("SELECT * FROM totals FOR UPDATE")
        bench.add(Lane(), up_to(10))
        blocker.rollback()
        bench.eventually(bench.total, (10, 55))


@pytest.mark.usefixtures("impatient")
def test_records_that_retention_took_halt_the_consumer(bench: Bench) -> None:
    """Nothing is read past a loss; the totals stay; when a person says so, reading goes on from there."""
    lane, topic = Lane(), bench.settings.kafka_topic
    with bench.running():
        bench.add(lane, [1, 2])
        bench.eventually(bench.total, (2, 3))
    bench.add(lane, [3, 4, 5, 6])
    bench.admin.delete_records([TopicPartition(topic, 0, 4)])[TopicPartition(topic, 0, 4)].result(20)
    with bench.running() as running:
        bench.eventually(lambda: running.metric("totalizer_halted"), 1.0)
        assert "retention has taken some" in str(running.consumer.problem())
        assert bench.total() == (2, 3)
        assert bench.query("SELECT next_offset FROM offsets WHERE partition = 0") == [(2,)]
        lag = running.metric("totalizer_lag_records", topic=topic, partition="0")
        assert (lag, bench.query("SELECT end_offset FROM offsets WHERE partition = 0")) == (4.0, [(6,)])
        bench.database.execute("UPDATE offsets SET next_offset = 4 WHERE partition = 0")
        bench.eventually(lambda: bench.query("SELECT mark, parked FROM lane_marks"), [(2, 2)])
        assert running.metric("totalizer_halted") == 0


def test_retention_that_overtakes_a_reader_halts_it(bench: Bench) -> None:
    """The broker's OFFSET_OUT_OF_RANGE in the middle of reading is not answered by a reset."""
    topic = bench.settings.kafka_topic
    with bench.running() as running:
        bench.add(Lane(), [1, 2])
        bench.eventually(bench.total, (2, 3))
        bench.database.execute("UPDATE offsets SET next_offset = 0 WHERE partition = 0")
        bench.admin.delete_records([TopicPartition(topic, 0, 2)])[TopicPartition(topic, 0, 2)].result(20)
        bench.add(Lane(), [1])
        bench.eventually(lambda: running.metric("totalizer_halted"), 1.0)
        assert bench.total() == (2, 3)


@pytest.mark.usefixtures("impatient")
def test_a_topic_that_was_recreated_halts_the_consumer(bench: Bench) -> None:
    """The new topic has the same name and offsets that look right; its identity tells."""
    topic = bench.settings.kafka_topic
    lane = Lane()
    with bench.running() as running:
        bench.add(lane, [1, 2])
        bench.eventually(bench.total, (2, 3))
        bench.admin.delete_topics([topic])[topic].result(20)
        bench.eventually(lambda: running.metric("totalizer_halted"), 1.0)
        assert "was deleted" in str(running.consumer.problem())
        bench.create_topic()
        bench.add(lane, [1, 2, 3])
        bench.eventually(lambda: "was recreated" in str(running.consumer.problem()), True)
        assert bench.total() == (2, 3)
        bench.database.execute("DELETE FROM offsets")
        bench.eventually(bench.total, (3, 6))


@pytest.mark.usefixtures("impatient")
def test_a_topic_that_is_not_there_yet_is_awaited(bench: Bench) -> None:
    """A totalizer that starts first is not ready, says why, and goes on when the topic is there."""
    late = msgspec.structs.replace(bench.settings, kafka_topic=f"{bench.settings.kafka_topic}-late")
    with bench.running(late) as running:
        bench.eventually(lambda: "does not exist" in str(running.consumer.problem()), True)
        bench.settings = late
        bench.create_topic()
        bench.add(Lane(), [1, 2, 3])
        bench.eventually(bench.total, (3, 6))
    bench.admin.delete_topics([late.kafka_topic])[late.kafka_topic].result(20)


@pytest.mark.usefixtures("impatient")
def test_a_database_that_comes_back_empty_is_read_into_anew(bench: Bench) -> None:
    """A totalizer that runs while its database is lost makes its tables in the next one, and counts what Kafka has."""
    lane = Lane()
    bench.add(lane, up_to(3))
    with bench.running() as running:
        bench.eventually(bench.total, (3, 6))
        bench.lose_tables()
        bench.eventually(lambda: _migrations(bench)[-1:], [newest_migration("sumflow.totalizer")])
        bench.eventually(bench.total, (3, 6))
        bench.add(lane, [4])
        bench.eventually(bench.total, (4, 10))
        assert running.consumer.problem() is None


@pytest.mark.usefixtures("impatient")
def test_an_empty_database_that_somebody_else_migrates_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two totalizers with an empty database, the one that comes second tries again until the first is done."""
    monkeypatch.setitem(migrations._WAITS, "lock_timeout", "100ms")
    busy: list[SchemaBusyError] = []

    def noticed(*arguments: Any) -> None:
        try:
            migrations.migrate(*arguments)
        except SchemaBusyError as error:
            busy.append(error)
            raise

    monkeypatch.setattr(consumer, "migrate", noticed)
    with bench.running() as running, psycopg.connect(conninfo(bench.settings, "first"), autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", (migrations.MIGRATION_LOCK,))
        bench.lose_tables()
        bench.eventually(lambda: len(busy) >= 2, True)
        first.execute("SELECT pg_advisory_unlock(%s)", (migrations.MIGRATION_LOCK,))
        bench.add(Lane(), up_to(3))
        bench.eventually(lambda: _migrations(bench)[-1:], [newest_migration("sumflow.totalizer")])
        bench.eventually(bench.total, (3, 6))
        assert running.failure is None


def _migrations(bench: Bench) -> list[str]:
    """Return the migrations that the database has, in their order; none where it is empty."""
    ((there,),) = bench.query("SELECT to_regclass('_yoyo_migration') IS NOT NULL")
    return sorted(name for (name,) in bench.query("SELECT migration_id FROM _yoyo_migration")) if there else []


@pytest.mark.usefixtures("impatient")
def test_a_database_restored_to_an_earlier_schema_is_migrated(bench: Bench) -> None:
    """What was restored to before an update lacks migrations: the totalizer that goes on with it applies them."""
    before = _migrations(bench)
    with bench.running() as running:
        bench.add(Lane(), up_to(3))
        bench.eventually(bench.total, (3, 6))
        with bench.database.transaction():
            bench.database.execute("ALTER TABLE lane_marks DROP COLUMN rebuilt_to")
            bench.query("DELETE FROM _yoyo_migration WHERE migration_id = %s RETURNING 1", before[-1])
            bench.query("UPDATE offsets SET next_offset = 0 RETURNING 1")
        bench.eventually(lambda: _migrations(bench), before)
        bench.eventually(lambda: bench.query("SELECT max(next_offset) FROM offsets"), [(3,)])
        assert running.failure is None
    assert bench.total() == (3, 6)
