"""The REST interface, from outside: its contract, its waits, its stream, and its manners when the database is away."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID, uuid4

import httpx
import msgspec
import psycopg
import pytest

from sumflow import __version__
from sumflow.errors import SumflowError
from sumflow.settings import Address, TotalizerSettings
from sumflow.totalizer import api, server
from sumflow.totalizer.page import Page
from sumflow.totalizer.reading import Totals

pytestmark = pytest.mark.integration
Database = psycopg.Connection[tuple[object, ...]]


@contextmanager
def serving(settings: TotalizerSettings) -> Iterator[httpx.Client]:
    """Serve, and give a client of it."""
    rest = server.RestServer(settings.http_listen, api.Api(settings, lambda: "halted: for a test"), lambda: None)
    rest.start()
    with httpx.Client(base_url=f"http://{settings.http_listen}", trust_env=False, timeout=20) as client:
        yield client
    rest.close()


@pytest.fixture
def client(settings: TotalizerSettings) -> Iterator[httpx.Client]:
    """A client of a server with a database."""
    with serving(settings) as serves:
        yield serves


@pytest.fixture
def lonely(settings: TotalizerSettings) -> Iterator[httpx.Client]:
    """A client of a server whose database is away."""
    with serving(msgspec.structs.replace(settings, postgres_address=Address("127.0.0.1", 1))) as serves:
        yield serves


def move(database: Database, change: str, *parameters: object) -> None:
    """Change the database as a totalizer's transaction does, with its announcement."""
    with database.transaction():
        database.execute(change.encode(), parameters)
        database.execute("SELECT pg_notify('totals', '')")


def test_the_result_is_an_exact_number(client: httpx.Client, database: Database) -> None:
    """Totals of any size are written digit by digit, as one JSON number."""
    assert client.get("/v1/results").json() == {"result": 0}
    for digits in ("9223372036854775808", "-123456789012345678901234567890123456789012345678901234567890"):
        move(database, "UPDATE totals SET sum = %s::numeric", digits)
        assert client.get("/v1/results").text == f'{{"result": {digits}}}\n'


def test_a_result_that_has_not_changed_is_not_sent_again(client: httpx.Client, database: Database) -> None:
    """The ETag is the total's; a cache must ask each time."""
    first = client.get("/v1/results")
    held = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
    assert (first.headers["cache-control"], first.headers["content-type"]) == ("no-cache", "application/json")
    assert client.get("/v1/results", headers=held).status_code == 304
    move(database, "UPDATE totals SET sum = 1")
    assert client.get("/v1/results", headers=held).json() == {"result": 1}


def test_the_healthcheck_is_that_of_the_contract(client: httpx.Client) -> None:
    """Version and environment are told."""
    system_info = {"version": __version__, "environment": "development"}
    assert client.get("/v1/healthcheck").json() == {"status": "available", "system_info": system_info}


def test_a_position_that_is_included_is_answered_at_once(client: httpx.Client, database: Database) -> None:
    """A mark at or beyond the position is enough; without a wait, one before it is an error at once."""
    lane = uuid4()
    move(database, "INSERT INTO lane_marks (lane, topic, partition, mark) VALUES (%s, 'sums', 0, 7)", lane)
    assert client.get("/v1/results", params={"position": f"{lane}:7"}).json() == {"result": 0}
    late = client.get("/v1/results", params={"position": f"{lane}:8"})
    assert late.status_code == 504
    assert late.json() == {"error": f"the total does not include {lane}:8 yet"}
    assert client.get("/v1/results", params={"position": f"{uuid4()}:1", "wait": "10ms"}).status_code == 504


def test_a_wait_ends_with_the_commit_that_includes_the_position(client: httpx.Client, database: Database) -> None:
    """Many wait for different positions; each is answered when its own is there, with the total of that moment."""
    lane = uuid4()
    move(database, "INSERT INTO lane_marks (lane, topic, partition) VALUES (%s, 'sums', 0)", lane)

    def wait_for(seq: int) -> int:
        answer = client.get("/v1/results", params={"position": f"{lane}:{seq}", "wait": "15s"})
        return int(answer.json()["result"])

    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(wait_for, seq) for seq in (1, 2, 3, 3, 2, 1)]
        for mark in (1, 2, 3):
            move(
                database,
                "WITH m AS (UPDATE lane_marks SET mark = %s) UPDATE totals SET sum = %s",
                mark,
                mark * 10,
            )
            for answer in (answers[mark - 1], answers[-mark]):
                assert answer.result(10) >= mark * 10


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/results?position=nonsense", 400, "<lane>:<seq>"),
        ("/v1/results?position=7f6b6b1e-2f2e-4c9e-9a57-0d7f6a1c2b3d:0", 400, "<lane>:<seq>"),
        ("/v1/results?position=7f6b6b1e-2f2e-4c9e-9a57-0d7f6a1c2b3d:1&wait=soon", 400, "duration"),
        ("/v1/results?position=7f6b6b1e-2f2e-4c9e-9a57-0d7f6a1c2b3d:1&wait=-1s", 400, "duration"),
        ("/v1/results?position=7f6b6b1e-2f2e-4c9e-9a57-0d7f6a1c2b3d:1&wait=31s", 400, "at most 30s"),
        ("/v1/results?wait=2s", 400, "needs a position"),
        ("/v2/results", 404, "Not Found"),
        ("/v1/results/", 404, "Not Found"),
    ],
    ids=lambda value: "path" if isinstance(value, str) and "/" in value else str(value),
)
def test_errors_are_json(client: httpx.Client, path: str, status: int, error: str) -> None:
    """What is wrong with a request is said in JSON, under the right status."""
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert error in answer.json()["error"]


def test_methods(client: httpx.Client) -> None:
    """HEAD is GET without a body, everywhere; what changes something does not exist."""
    for path in ("/", "/v1/results", "/v1/healthcheck", "/v1/stream"):
        assert (client.head(path).status_code, client.head(path).content) == (200, b"")
        refused = client.post(path)
        assert (refused.status_code, refused.json()) == (405, {"error": "Method Not Allowed"})
        assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}


def states(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    """Return the states of a stream."""
    return (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def test_what_waits_behind_a_gap_is_not_included(client: httpx.Client, database: Database) -> None:
    """A position beyond the mark is none of the total's, however many events of its lane are parked."""
    lane = uuid4()
    move(database, "INSERT INTO lane_marks (lane, topic, partition, mark, parked) VALUES (%s, 'sums', 0, 3, 2)", lane)
    assert [client.get(f"/v1/results?position={lane}:{seq}").status_code for seq in (3, 4)] == [200, 504]


def test_the_stream_tells_each_change(client: httpx.Client, database: Database) -> None:
    """The state now, then what changes, without asking again."""
    with client.stream("GET", "/v1/stream") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        told = states(answer.iter_lines())
        first = {"total": 0, "count": 0, "lag": 0, "parked": 0, "dead_letters": 0, "problem": "halted: for a test"}
        assert next(told) == first
        move(database, "UPDATE totals SET sum = %s, count = 2", 2**70)
        assert next(told) == first | {"total": 2**70, "count": 2}


def test_what_surrounds_the_total_is_of_all_partitions_and_lanes(client: httpx.Client, database: Database) -> None:
    """Dead letters, parked events and the lag add up; a partition that is ahead of its known end takes nothing off."""
    offset = "INSERT INTO offsets (topic, partition, topic_id, next_offset, end_offset, dead_letters)"
    for partition, (topic, end, letters) in enumerate(
        [("sums", 7, 1), ("sums", 8, 2), ("sums", 0, 0), ("tills", 9, 4)]
    ):
        row = (topic, partition, uuid4(), 5, end, letters)
        database.execute(f"{offset} VALUES (%s, %s, %s, %s, %s, %s)".encode(), row)
        lane = "INSERT INTO lane_marks (lane, topic, partition, parked) VALUES (%s, %s, %s, %s)"
        database.execute(lane, (uuid4(), topic, partition, partition))
    with client.stream("GET", "/v1/stream") as answer:
        state = next(states(answer.iter_lines()))
    assert (state["lag"], state["parked"], state["dead_letters"]) == (5, 6, 7)


def test_streams_and_waits_are_bounded(settings: TotalizerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is refused and told to come back."""
    monkeypatch.setattr(api, "STREAMS_LIMIT", 1)
    monkeypatch.setattr(api, "WAITERS_LIMIT", 0)
    with serving(settings) as client:
        with client.stream("GET", "/v1/stream") as answer:
            told = states(answer.iter_lines())
            assert next(told)["total"] == 0
            refused = client.get("/v1/stream")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert client.get("/v1/results", params={"position": f"{uuid4()}:1"}).status_code == 503


def test_a_stream_that_ends_leaves_its_place(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """More streams than there are places, one after another, are all served."""
    monkeypatch.setattr(api, "HEARTBEAT_S", 0.05)
    for _ in range(api.STREAMS_LIMIT + 1):
        with client.stream("GET", "/v1/stream") as answer:
            assert answer.status_code == 200
            next(states(answer.iter_lines()))


def test_a_database_that_is_away_is_said_quickly(lonely: httpx.Client) -> None:
    """503 with a reason; what needs no database goes on; a stream tells it too."""
    answer = lonely.get("/v1/results")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "the total cannot be read now" in answer.json()["error"]
    assert lonely.get("/v1/results", params={"position": f"{uuid4()}:1", "wait": "5s"}).status_code == 503
    assert lonely.get("/v1/healthcheck").status_code == 200
    assert lonely.get("/").status_code == 200
    with lonely.stream("GET", "/v1/stream") as stream:
        assert "the database is away" in str(next(states(stream.iter_lines()))["error"])


def test_reading_comes_back_after_its_sessions_were_cut(client: httpx.Client, database: Database) -> None:
    """A lost connection costs at most one answer; who waits is woken again by what happens after it."""
    lane = uuid4()
    move(database, "INSERT INTO lane_marks (lane, topic, partition) VALUES (%s, 'sums', 0)", lane)
    assert client.get("/v1/results").status_code == 200
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'sumflow-totalizer-rest'"
    )
    answers = [client.get("/v1/results").status_code for _ in range(2)]
    assert answers[-1] == 200
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/v1/results", params={"position": f"{lane}:1", "wait": "15s"})
        move(database, "UPDATE lane_marks SET mark = 1")
        assert waiting.result(15).status_code == 200


def test_many_readers_share_one_connection(client: httpx.Client, database: Database) -> None:
    """However many ask at once, the database sees one session that reads and one that listens."""
    with ThreadPoolExecutor(16) as pool:
        assert {answer.status_code for answer in pool.map(client.get, ["/v1/results"] * 200)} == {200}
    sessions = database.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'sumflow-totalizer-rest'"
    ).fetchall()
    assert sessions == [(2,)]


def test_what_was_asked_for_is_forgotten_with_the_answer(settings: TotalizerSettings) -> None:
    """Positions of lanes that there never were, a million of them, are a question each, and no memory."""

    async def ask() -> tuple[set[UUID], set[str]]:
        totals = Totals(settings)
        await totals.read(uuid4(), "rent")
        await totals.close()
        return totals._lanes, totals._names

    assert asyncio.run(ask()) == (set(), set())


def test_answers_do_not_wait_for_acknowledgements(settings: TotalizerSettings) -> None:
    """Accepted connections know that they are TCP, which is what asyncio needs to turn Nagle's algorithm off."""
    with server.bind(settings.http_listen) as listening:
        address = (settings.http_listen.host, settings.http_listen.port)
        with socket.create_connection(address), listening.accept()[0] as accepted:
            assert accepted.proto == socket.IPPROTO_TCP


def test_replicas_share_the_port_and_strangers_do_not(settings: TotalizerSettings) -> None:
    """Two sockets of ours may be bound to one port; a program that does not share it is named as the reason."""
    with server.bind(settings.http_listen), server.bind(settings.http_listen):
        pass
    with socket.create_server((settings.http_listen.host, settings.http_listen.port)), pytest.raises(SumflowError):
        server.bind(settings.http_listen)


def test_the_page_needs_nothing_but_itself(client: httpx.Client) -> None:
    """No asset from anywhere, and a policy under which exactly its own script and style run."""
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2
    assert not re.findall(r"(?:src|href)=\"(?!data:)", answer.text)
    assert 'aria-live="polite"' in answer.text
    assert Page.load().html == answer.text


def test_a_stop_ends_streams_and_waits(settings: TotalizerSettings) -> None:
    """Who is connected for long does not keep the process from ending, and is answered before it does."""
    served = api.Api(settings, lambda: None)
    rest = server.RestServer(settings.http_listen, served, lambda: None)
    rest.start()
    url, started = f"http://{settings.http_listen}", threading.Event()

    def follow() -> None:
        with httpx.stream("GET", f"{url}/v1/stream", trust_env=False, timeout=20) as answer:
            for _ in states(answer.iter_lines()):
                started.set()

    def wait() -> int:
        return httpx.get(f"{url}/v1/results?position={uuid4()}:1&wait=15s", trust_env=False, timeout=20).status_code

    with ThreadPoolExecutor(2) as pool:
        following, waiting = pool.submit(follow), pool.submit(wait)
        assert started.wait(10)
        while served._waiters._free == api.WAITERS_LIMIT:
            assert not waiting.done()
        rest.close()
        following.result(10)
        assert waiting.result(10) == 504
    assert rest.problem() is not None
