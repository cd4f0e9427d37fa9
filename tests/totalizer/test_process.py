"""The process as a whole: killed, asked to stop, and left without its servers in the middle of a load."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import threading
import time
from pathlib import Path
from uuid import uuid4

import msgspec
import psutil
import psycopg
import pytest
from confluent_kafka import Consumer
from psycopg.conninfo import make_conninfo

from sumflow.settings import Address, TotalizerSettings
from sumflow.totalizer.session import Session, _Watchdog
from tests import servers
from tests.ports import free_port
from tests.totalizer.bench import Bench
from tests.totalizer.records import Lane, foreign_value

pytestmark = pytest.mark.integration


def test_kill_9_again_and_again_leaves_exact_totals(bench: Bench) -> None:
    """Killed at any moment of a load, in transactions and between them, it counts each event once."""
    lanes, foreign = [Lane() for _ in range(3)], [uuid4() for _ in range(300)]
    for partition, lane in enumerate(lanes):
        bench.add(lane, list(range(1, 4001)), partition)
    for event_id in foreign * 2:
        bench.send(foreign_value(event_id, 1, 0), None, random.randrange(3))  # noqa: S311
    bench.producer.flush(20)
    for killed in range(5):
        goal = bench.total()[0] + random.randrange(1, 2000)  # noqa: S311
        with bench.process(totalizer_batch=50, kafka_group=f"{bench.settings.kafka_group}-{killed}"):
            bench.eventually(lambda goal=goal: bench.total()[0] >= goal, True)  # type: ignore[misc]
    with bench.process() as last:
        last.await_ready()
        bench.eventually(lambda: bench.query("SELECT sum(next_offset) FROM offsets"), [(12600,)])
        assert bench.total() == (12300, 3 * 8002000 + 300)
    assert bench.query("SELECT mark, count, sum, parked FROM lane_marks") == [(4000, 4000, 8002000, 0)] * 3


def test_sigterm_ends_it_in_order(bench: Bench) -> None:
    """Under load it finishes its transaction, leaves the group and ends with 0; the next goes on where it was."""
    lane = Lane()
    with bench.process() as process:
        process.await_ready()
        bench.add(lane, list(range(1, 501)))
        assert process.terminate() == 0
    counted = bench.total()[0]
    assert bench.query("SELECT mark FROM lane_marks") in ([], [(counted,)])
    with bench.process():
        bench.eventually(bench.total, (500, 125250))


def test_without_its_servers_it_serves_what_it_can_and_ends_in_order(bench: Bench) -> None:
    """Kafka away: totals are read, readiness says why nothing is counted. PostgreSQL away too: 503. SIGTERM: exit 0."""
    with bench.process(kafka_bootstrap_servers="127.0.0.1:1") as process:
        refused = process.await_readiness(lambda answer: answer.status_code == 503 and "starting" not in answer.text)
        assert "group" in refused.text
        assert process.get("/v1/results").json() == {"result": 0}
        assert process.terminate() == 0
    with bench.process(postgres_address=Address("127.0.0.1", 1)) as process:
        process.await_readiness(lambda answer: "database is away" in answer.text)
        assert process.get("/v1/results").status_code == 503
        assert process.get("/livez", process.settings.metrics_listen).status_code == 200
        assert process.terminate() == 0


def test_what_it_serves(bench: Bench) -> None:
    """The result over REST, the metrics under their names, liveness and readiness."""
    with bench.process() as process:
        process.await_ready()
        lane = Lane()
        bench.add(lane, [1, 2, 3])
        assert process.get(f"/v1/results?position={lane.lane}:3&wait=10s").json() == {"result": 6}
        health = process.settings.metrics_listen
        assert process.get("/livez", health).status_code == 200
        metrics = process.get("/metrics", health).text
        topic = bench.settings.kafka_topic
        assert f'{{event_type="sum.calculated",status="success",topic="{topic}"}} 3.0' in metrics
        assert "event_processing_latency_seconds_count 3.0" in metrics
        assert "totalizer_halted 0.0" in metrics


def test_two_processes_share_their_http_port(bench: Bench) -> None:
    """Replicas on one machine serve one port, and a position counted by one is answered by both."""
    other = bench.settings.metrics_listen
    with bench.process() as one, bench.process(metrics_listen=Address(other.host, free_port())) as two:
        one.await_ready()
        two.await_ready()
        for seq in range(1, 9):
            lane = Lane()
            bench.add(lane, [1], seq % 3)
            answer = one.get(f"/v1/results?position={lane.lane}:1&wait=10s")
            assert answer.json() == {"result": seq}


def test_dead_letters_reach_their_topic(bench: Bench) -> None:
    """Each has a copy with its key, value, headers, place and reason; what was put aside before the start too."""
    topic = f"{bench.settings.kafka_topic}-dead"
    bench.send(b"bad 1")
    bench.producer.flush(10)
    with bench.running():
        bench.eventually(lambda: bench.query("SELECT count(*) FROM dead_letters"), [(1,)])
    with bench.process(kafka_dead_letter_topic=topic) as process:
        process.await_ready()
        bench.send(b"bad 2", [("own", b"\x00\xff")], 2)
        bench.producer.flush(10)
        bench.eventually(lambda: bench.query("SELECT count(*) FROM dead_letters"), [(2,)])
        assert bench.query("SELECT count(*) FROM dead_letters WHERE copied_at IS NOT NULL") == [(0,)]
        bench.settings = msgspec.structs.replace(bench.settings, kafka_topic=topic)
        bench.create_topic()
        copies = consume(bench, 2)
        bench.eventually(lambda: bench.query("SELECT count(*) FROM dead_letters WHERE copied_at IS NULL"), [(0,)])
    assert sorted(copies) == [b"bad 1", b"bad 2"]
    headers = copies[b"bad 2"]
    assert (headers["own"], headers["dead-letter-partition"], headers["dead-letter-offset"]) == (
        b"\x00\xff",
        b"2",
        b"0",
    )
    assert b"malformed" in headers["dead-letter-reason"]
    bench.admin.delete_topics([topic])[topic].result(20)


def consume(bench: Bench, count: int) -> dict[bytes, dict[str, bytes]]:
    """Read records from the topic's beginning: values and headers."""
    reading = Consumer(
        {
            "bootstrap.servers": bench.settings.kafka_bootstrap_servers,
            "group.id": uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    reading.subscribe([bench.settings.kafka_topic])
    read: dict[bytes, dict[str, bytes]] = {}
    for _ in range(60):
        message = reading.poll(1)
        if message is not None and message.error() is None:
            read[message.value() or b""] = dict(message.headers() or [])  # type: ignore[arg-type]
        if len(read) == count:
            break
    reading.close()
    return read


def freeze(server_pid: int, number: signal.Signals) -> None:
    """Send a signal to a server and all its processes."""
    server = psutil.Process(server_pid)
    for process in [server, *server.children(recursive=True)]:
        os.kill(process.pid, number)


def test_a_frozen_postgres_is_given_up_and_comes_back(tmp_path: Path, bench: Bench) -> None:
    """No answer is not waited for: reads say so within seconds, and when the server goes on, the total is exact."""
    with servers.postgres_server(tmp_path, "totalizer") as server:
        settings = msgspec.structs.replace(
            bench.settings,
            postgres_address=Address("127.0.0.1", server.port),
            postgres_user=server.user,
            postgres_password=server.password,
            postgres_db=server.database,
        )
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        with bench.process(**msgspec.structs.asdict(settings)) as process, psycopg.connect(server.url) as database:
            process.await_ready()
            bench.database = database
            database.autocommit = True
            lane = Lane()
            bench.add(lane, [1, 2])
            bench.eventually(bench.total, (2, 3))
            freeze(pid, signal.SIGSTOP)
            bench.add(lane, [3, 4])
            refused = process.await_readiness(lambda answer: answer.status_code == 503)
            assert "database is away" in refused.text
            assert process.get("/v1/results").status_code == 503
            assert process.get("/livez", settings.metrics_listen).status_code == 200
            freeze(pid, signal.SIGCONT)
            bench.eventually(bench.total, (4, 10))
            process.await_ready()


def test_a_transaction_has_a_limit(settings: TotalizerSettings) -> None:
    """Whatever the server does, a transaction that lasts too long ends with an error, and the next works."""
    session = Session(settings, "test", limit_s=0.3)
    with psycopg.connect(make_conninfo(session._conninfo, options="")) as blocker:
        blocker.execute("SELECT * FROM totals FOR UPDATE")
        with pytest.raises(psycopg.Error), session.transaction() as connection:
            connection.execute("UPDATE totals SET count = 1")
    with session.transaction() as connection:
        connection.execute("UPDATE totals SET count = 2")
    session.close()


def sleep_long(session: Session) -> None:
    """Run a transaction that the server does not limit."""
    with session.transaction() as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("SELECT pg_sleep(60)")


def test_a_silent_socket_is_cut(settings: TotalizerSettings) -> None:
    """The watchdog does not depend on the server's own limits."""
    session = Session(settings, "test", limit_s=0.3)
    ended = threading.Event()

    def last() -> None:
        with pytest.raises(psycopg.OperationalError):
            sleep_long(session)
        ended.set()

    threading.Thread(target=last, daemon=True).start()
    assert ended.wait(20)


def test_the_watchdog_outlives_a_socket_that_is_gone_already() -> None:
    """A connection that was reset cannot be shut down any more; the next that falls silent is cut all the same."""
    watchdog = _Watchdog()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as gone:
        peer, _ = listening.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # a reset
        with pytest.raises(ConnectionResetError):
            gone.recv(1)
        with watchdog.guard(gone.fileno(), 0):
            deadline = time.monotonic() + 20
            while watchdog._guarded is not None:
                assert time.monotonic() < deadline
    silent, other = socket.socketpair()
    with silent, other, watchdog.guard(silent.fileno(), 0):
        silent.settimeout(20)
        assert silent.recv(1) == b""
