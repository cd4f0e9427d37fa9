"""Reading the total: exact at any size, patient within its time, and clear when there is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sumflow.client import totals
from sumflow.client.totals import Moved, Totals
from sumflow.errors import NotRunningError, SumflowError

BEYOND_64_BITS = 10**30 + 7


class Script(ThreadingHTTPServer):
    """Gives prepared answers in turn: a status and a body; remembers what was asked."""

    answers: list[tuple[int, str]]
    asked: list[str]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that closes early is no error here."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Give the next answer."""
        assert isinstance(self.server, Script)
        self.server.asked.append(self.path)
        status, body = self.server.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be silent."""


@pytest.fixture
def server() -> Iterator[Script]:
    """A REST interface that follows a script."""
    script = Script(("127.0.0.1", 0), _Handler)
    script.answers, script.asked = [], []
    threading.Thread(target=script.serve_forever, daemon=True).start()
    yield script
    script.shutdown()
    script.server_close()


@pytest.fixture
def client(server: Script) -> Iterator[Totals]:
    """A client of it."""
    with Totals(f"http://127.0.0.1:{server.server_address[1]}") as found:
        yield found


def test_a_total_beyond_64_bits_is_exact(server: Script, client: Totals) -> None:
    """The total is an integer of any size."""
    server.answers = [(200, json.dumps({"result": BEYOND_64_BITS}))]
    assert client.total() == BEYOND_64_BITS


def test_a_position_is_asked_for_until_it_is_included(
    server: Script, client: Totals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`not yet` is asked again within the time; then the total that includes it is returned."""
    server.answers = [(504, '{"error": "not yet"}'), (504, '{"error": "not yet"}'), (200, '{"result": 9}')]
    assert client.including("lane:7", 5.0) == 9
    assert all("position=lane%3A7" in path and "wait=" in path for path in server.asked)
    monkeypatch.setattr(totals, "_WAIT_AT_MOST_S", 0.01)
    server.answers = [(504, "{}")] * 10_000
    assert client.including("lane:8", 0.1) is None


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (503, '{"error": "the database is away"}', "the database is away"),
        (400, '{"error": "position is <lane>:<seq>"}', "position is <lane>:<seq>"),
        (502, "<html>a proxy</html>", "<html>a proxy</html>"),
    ],
)
def test_a_refusal_is_told_in_the_totalizers_words(
    server: Script, client: Totals, status: int, body: str, why: str
) -> None:
    """Any answer but the total is an error that carries what the other side said."""
    server.answers = [(status, body)] * 2
    asks: list[Callable[[], object]] = [client.total, lambda: client.including("a:1", 1.0)]
    for ask in asks:
        with pytest.raises(SumflowError, match=str(status)) as caught:
            ask()
        assert caught.value.why == why


def test_the_stream_gives_each_state_and_passes_over_heartbeats(server: Script, client: Totals) -> None:
    """Comments keep the stream alive and are no states; a problem is passed on; an error ends it."""
    states = [{"total": 1, "count": 1, "problem": None}, {"total": BEYOND_64_BITS, "count": 2, "problem": "halted"}]
    text = f"data: {json.dumps(states[0])}\n\n: still here\n\ndata: {json.dumps(states[1])}\n\n"
    server.answers = [(200, text + 'data: {"error": "the database is away"}\n\n')]
    stream = client.stream()
    assert next(stream) == Moved(1, 1, None)
    assert next(stream) == Moved(BEYOND_64_BITS, 2, "halted")
    with pytest.raises(SumflowError) as caught:
        next(stream)
    assert caught.value.why == "the database is away"


def test_nobody_there_is_told_with_the_address() -> None:
    """A refused connection is `not running`, for each way to ask."""
    with Totals("http://127.0.0.1:1") as client:
        asks: list[Callable[[], object]] = [
            client.total,
            lambda: client.including("a:1", 1.0),
            lambda: next(client.stream()),
        ]
        for ask in asks:
            with pytest.raises(NotRunningError, match=r"http://127\.0\.0\.1:1 does not answer"):
                ask()
