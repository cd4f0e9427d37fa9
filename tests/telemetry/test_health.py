"""The health port says what its service says, under the right status, and why not when it cannot be had."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from sumflow.errors import SumflowError
from sumflow.settings import Address
from sumflow.telemetry.health import HealthServer, Heartbeat


class Port:
    """A health port and the service behind it."""

    def __init__(self, listen: Address) -> None:
        self.listen = listen
        self.broken: str | None = None
        self.missing: str | None = None
        registry = CollectorRegistry()
        Counter("seen", "What was seen.", registry=registry).inc(3)
        self.server = HealthServer(listen, registry, live=lambda: self.broken, ready=lambda: self.missing)

    def get(self, path: str) -> httpx.Response:
        """Ask for a page."""
        return httpx.get(f"http://{self.listen}{path}", trust_env=False)


@pytest.fixture
def address() -> Address:
    """An address that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Address("127.0.0.1", probe.getsockname()[1])


@pytest.fixture
def port(address: Address) -> Iterator[Port]:
    """A served port."""
    served = Port(address)
    yield served
    served.server.close()


def test_liveness_and_readiness_are_told_apart(port: Port) -> None:
    """A service that lacks a dependency is not ready, and lives."""
    assert (port.get("/livez").status_code, port.get("/readyz").status_code) == (200, 200)
    port.missing = "the database is away"
    refused = port.get("/readyz")
    assert (refused.status_code, refused.json()["reason"]) == (503, "the database is away")
    assert port.get("/livez").status_code == 200
    port.broken = "the main loop has not turned for 16 s"
    assert port.get("/livez").status_code == 503


def test_metrics_are_those_of_the_registry_and_other_pages_do_not_exist(port: Port) -> None:
    """A collector reads what was counted; a wrong address names the right ones."""
    assert "seen_total 3.0" in port.get("/metrics").text
    lost = port.get("/healthz")
    assert (lost.status_code, "/readyz" in lost.text) == (404, True)


def test_a_port_that_is_taken_is_named_with_a_remedy(address: Address) -> None:
    """No traceback: the address, and the variable that sets another."""
    with socket.create_server((address.host, address.port)), pytest.raises(SumflowError, match=str(address)) as taken:
        Port(address)
    assert "METRICS_LISTEN" in taken.value.remedy


def test_a_loop_that_stands_still_is_a_problem_until_it_turns() -> None:
    """The limit itself is still healthy."""
    now_s = [0.0]
    heartbeat = Heartbeat(limit_s=15.0, clock=lambda: now_s[0])
    now_s[0] = 15.0
    assert heartbeat.problem() is None
    now_s[0] = 16.0
    assert heartbeat.problem() == "the main loop has not turned for 16 s"
    heartbeat.beat()
    assert heartbeat.problem() is None
