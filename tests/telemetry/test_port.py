"""The health port's bounds: number, time and size of what connects."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from sumflow.settings import Address
from sumflow.telemetry import port
from sumflow.telemetry.health import HealthServer
from tests.ports import free_address


@pytest.fixture
def address() -> Iterator[Address]:
    """A health port that is served."""
    listen = free_address()
    server = HealthServer(listen, CollectorRegistry(), live=lambda: None, ready=lambda: None)
    yield listen
    server.close()


def connect(address: Address) -> socket.socket:
    """Connect, and wait patiently."""
    return socket.create_connection((address.host, address.port), 20)


def test_the_oldest_makes_room(address: Address) -> None:
    """Beyond the limit the connection that is there longest is closed, and a probe is answered."""
    opened = [connect(address) for _ in range(port.CONNECTIONS_LIMIT + 1)]
    assert opened[0].recv(1) == b""
    assert httpx.get(f"http://{address}/livez", trust_env=False).status_code == 200
    for connection in opened:
        connection.close()


def test_a_slow_request_is_cut(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that is not there in time ends its connection."""
    monkeypatch.setattr(port, "ANSWER_WITHIN_S", 0.1)
    with connect(address) as slow:
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        while slow.recv(1000):
            pass


def test_an_endless_head_is_not_read_on(address: Address) -> None:
    """What is beyond the limit is not read: the connection ends."""
    with connect(address) as endless, pytest.raises(OSError, match=r"reset|pipe|aborted"):
        endless.sendall(b"X-Fill: y\r\n" * 10_000_000)
