"""The proxy treats connections as networks do, and everything passes again afterwards."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from sumflow.chaos.lines import Lines, Route
from sumflow.chaos.proxy import LOCAL, Proxy
from sumflow.settings import Address
from tests.ports import free_address


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """A line to a server that answers what it hears, and one to nobody."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = Address("127.0.0.1", server.server_address[1])
        with Lines({"echo": Route(LOCAL, target), "nobody": Route(LOCAL, free_address())}) as opened:
            yield opened
        server.shutdown()


def _connect(lines: Lines, name: str = "echo") -> socket.socket:
    address = lines.address(name)
    return socket.create_connection((address.host, address.port), timeout=5)


def _echoed(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    received = b""
    while len(received) < len(data):
        more = connection.recv(1 << 16)
        if not more:
            return received
        received += more
    return received


def test_what_is_sent_arrives(lines: Lines) -> None:
    """A megabyte goes there and back unchanged."""
    data = bytes(range(256)) * 4096
    with _connect(lines) as connection:
        assert _echoed(connection, data[:1]) == data[:1]
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        received = b""
        while len(received) < len(data):
            received += connection.recv(1 << 16)
        sender.join()
    assert received == data


def test_a_cut_line_resets_and_refuses(lines: Lines) -> None:
    """What is connected is reset, what connects is reset, and after that it works again."""
    with _connect(lines) as connection:
        assert _echoed(connection, b"before") == b"before"
        lines.tell("echo", Proxy.cut)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionResetError), _connect(lines) as refused:
        refused.recv(1)
    lines.tell("echo", Proxy.restore)
    with _connect(lines) as connection:
        assert _echoed(connection, b"after") == b"after"


def test_a_stalled_line_is_silent_and_loses_nothing(lines: Lines) -> None:
    """Nothing comes while it is stalled; what was sent meanwhile arrives afterwards."""
    with _connect(lines) as connection:
        assert _echoed(connection, b"before") == b"before"
        lines.tell("echo", Proxy.stall)
        connection.sendall(b"meanwhile")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(16)
        lines.tell("echo", Proxy.restore)
        connection.settimeout(5)
        assert connection.recv(16) == b"meanwhile"


def test_a_slow_line_is_late(lines: Lines) -> None:
    """Each piece is held back for as long as was said, and arrives."""
    with _connect(lines) as connection:
        lines.tell("echo", lambda proxy: proxy.slow(0.05))
        assert _echoed(connection, b"late") == b"late"
        lines.tell("echo", lambda proxy: proxy.slow(3600))
        connection.sendall(b"very late")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(16)


def test_who_is_behind_and_away_is_told_by_a_reset(lines: Lines) -> None:
    """A line to a port that nobody listens on resets what connects."""
    with pytest.raises(ConnectionResetError), _connect(lines, "nobody") as connection:
        connection.recv(1)
