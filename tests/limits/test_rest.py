"""What hostile clients do to the totalizer's REST port and to a health port: the same, and the same must hold."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

import pytest

from sumflow.telemetry.port import CONNECTIONS_LIMIT as HEALTH_CONNECTIONS
from sumflow.totalizer.api import STREAMS_LIMIT
from sumflow.totalizer.connections import REQUEST_WITHIN_S
from sumflow.totalizer.server import CONNECTIONS_LIMIT
from tests.limits.bystander import PATIENCE_S
from tests.limits.conftest import newcomers
from tests.limits.raw import Raw
from tests.limits.target import Target
from tests.totalizer.bench import Bench

pytestmark = pytest.mark.integration

Attack = Callable[[Target], object]
MANY: Final = CONNECTIONS_LIMIT + 500
HEAD: Final = b"GET /v1/results HTTP/1.1\r\nHost: x\r\n"
WAITING: Final = HEAD.replace(b"results", b"results?position=00000000-0000-0000-0000-000000000001:1&wait=20s")


def silent(target: Target) -> None:
    """More connections than there may be, without a word."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address)) for _ in range(MANY)]
        assert any(raw.is_closed_within(0.001) for raw in opened[:500])


def drip(target: Target) -> None:
    """A header that comes byte by byte, and never ends."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address)) for _ in range(200)]
        for byte in HEAD + b"X-Fill: " + b"a" * 20:
            for raw in opened:
                raw.send(bytes([byte]))


def body(target: Target) -> None:
    """Bodies that are announced and never come, and ones that never end."""
    with ExitStack() as stack:
        for _ in range(100):
            raw = stack.enter_context(Raw(target.address, 0.1))
            raw.send(HEAD + b"Content-Length: 1000000000\r\n\r\n")
            raw = stack.enter_context(Raw(target.address, 0.1))
            raw.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"a" * 65536)
            raw.send(b"a" * (1 << 20))


def huge_heads(target: Target) -> None:
    """A request line, a header and a number of headers beyond any limit."""
    for head in (b"GET /" + b"a" * (8 << 20), HEAD + b"X: " + b"a" * (8 << 20), HEAD + b"X: y\r\n" * 500_000):
        with Raw(target.address) as raw:
            raw.send(head)
            raw.read(0.2)


def pipelined(target: Target) -> None:
    """Requests by the ten thousand on a connection, by clients that never read an answer."""
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(Raw(target.address, 0.2)).send((HEAD + b"\r\n") * 20_000)


def streams(target: Target) -> None:
    """More streams than there may be, by clients that never read."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address)) for _ in range(STREAMS_LIMIT + 100)]
        for raw in opened:
            raw.send(HEAD.replace(b"results", b"stream") + b"\r\n")
        assert all(b" 503 " in raw.first() for raw in opened[-3:])


def waiters(target: Target) -> None:
    """More waits for a position than there may be."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address)) for _ in range(1_100)]
        for raw in opened:
            raw.send(WAITING + b"\r\n")
        assert all(b" 503 " in raw.first() for raw in opened[-3:])


def malformed(target: Target) -> None:
    """Requests with bytes turned into others, and bytes that are no request."""
    chance = random.Random(3)  # noqa: S311
    for _ in range(500):
        bad = bytearray(WAITING + b"\r\n")
        for _ in range(chance.randrange(1, 8)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        with Raw(target.address) as raw:
            raw.send(bytes(bad) if chance.random() < 0.8 else chance.randbytes(chance.randrange(500)))


@pytest.mark.parametrize("attack", [silent, drip, body, huge_heads, pipelined, streams, waiters, malformed])
def test_the_totalizer_endures(totalizer: Target, attack: Attack, request: pytest.FixtureRequest) -> None:
    """Each attack costs memory within the manifest's limit, and a client beside it right answers only."""
    totalizer.endure(lambda: attack(totalizer), request.node.name)


def test_a_request_that_does_not_come_is_not_waited_for(totalizer: Target) -> None:
    """Silent, dripping and bodiless connections are closed in time; one whose answer takes longer is not."""
    with ExitStack() as stack:
        waiting = stack.enter_context(Raw(totalizer.address))
        waiting.send(WAITING + b"\r\n")
        opened = [stack.enter_context(Raw(totalizer.address)) for _ in range(3)]
        opened[1].send(HEAD)
        opened[2].send(HEAD + b"Content-Length: 5\r\n\r\n")
        assert all(raw.is_closed_within(REQUEST_WITHIN_S + PATIENCE_S) for raw in opened)
        assert b" 504 " in waiting.read(20 + PATIENCE_S)


def attack_health(target: Target) -> None:
    """Silent and dripping connections, endless heads, malformed requests."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address, 0.2)) for _ in range(10 * HEALTH_CONNECTIONS)]
        for raw in opened[::2]:
            raw.send(HEAD)
        for raw in opened[1::20]:
            raw.send(HEAD + b"X: y\r\n" * 100_000)
        for raw in opened[2::20]:
            raw.send(b"\xff\x00 \r\n\r\n")


def test_a_health_port_endures(totalizer: Target, bench: Bench) -> None:
    """Probes are answered however many others connect and say nothing: else the process would be killed for it."""
    with newcomers(bench.settings.metrics_listen) as client:

        def probe() -> None:
            assert client.get("/livez").status_code == 200

        probed = replace(totalizer, address=bench.settings.metrics_listen, ask=probe)
        probed.endure(lambda: attack_health(probed), "health port")
