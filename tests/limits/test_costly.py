"""Little for who sends it, much for who takes it: what is allowed, in numbers that are not meant."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PriorityFrame,
    PushPromiseFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from sumflow.adder.bounds import MAX_MESSAGE_BYTES
from sumflow.sums.sum_pb2 import SumBatchRequest, SumNumbersRequest
from tests.limits.raw import BATCHES, SINGLE, Pourer, Raw, data, headers, message
from tests.limits.target import Target, await_still

pytestmark = pytest.mark.integration

Attack = Callable[[Target], object]
HEALTH: Final = "/grpc.health.v1.Health/"
REFLECTION: Final = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
ADDITION: Final = message(SumNumbersRequest(x=1, y=1).SerializeToString())
ACK: Final = SettingsFrame(0, flags=["ACK"])


def call(stream: int, path: str, body: bytes, *more: tuple[str, str]) -> Iterator[Frame]:
    """Return the frames of a whole call."""
    yield headers(stream, path, *more)
    yield from data(stream, body)
    yield DataFrame(stream, flags=["END_STREAM"])


def dense_batches(target: Target) -> None:
    """Batches of as many numbers as a message has bytes, in all streams that there may be."""
    dense = message(SumBatchRequest(x=[0] * (MAX_MESSAGE_BYTES - 10)).SerializeToString())
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address, 5.0).hello()) for _ in range(4)]
        for raw in opened:
            raw.frames([ACK])
            for stream in range(1, 31, 2):
                raw.frames(call(stream, BATCHES, dense))
        for raw in opened:
            raw.read()


def large_singles(*more: tuple[str, str]) -> Attack:
    """Return an attack with five connections' single additions at once, each as large as a message may be."""
    padding = SumNumbersRequest(x=1, y=1, request_id="a" * (MAX_MESSAGE_BYTES - 10)).SerializeToString()
    body = message(gzip.compress(padding), is_compressed=True) if more else message(padding)

    def attack(target: Target) -> None:
        with ExitStack() as stack:
            for _ in range(5):
                raw = stack.enter_context(Raw(target.address, 5.0).hello())
                raw.frames([ACK])
                for stream in range(1, 200, 2):
                    raw.frames(call(stream, SINGLE, body, *more))
            raw.read()

    return attack


def unfinished(path: str) -> Attack:
    """Return an attack with calls whose message lacks its last byte, by clients that keep to flow control."""
    body = message(bytes(MAX_MESSAGE_BYTES))[:-1]

    def attack(target: Target) -> None:
        sent, limit = 0, 1 << 30
        with ExitStack() as stack:
            pourers = [Pourer(target.address, path, body, 100) for _ in range(5)]
            for pourer in pourers:
                stack.callback(pourer.close)

            def poured() -> float:
                nonlocal sent
                while sent < limit and (given := sum(pourer.pour() for pourer in pourers)):
                    sent += given
                return sent

            await_still(poured)

    return attack


def everything(target: Target) -> None:
    """Answers that may not be sent in most calls of most connections, and messages without an end in the others."""
    with ExitStack() as stack:
        for _ in range(180):
            raw = stack.enter_context(Raw(target.address, 0.2).hello(INITIAL_WINDOW_SIZE=0))
            raw.frames([ACK])
            for stream in range(1, 200, 2):
                raw.frames(call(stream, SINGLE, ADDITION))
        unfinished(SINGLE)(target)
        unfinished(BATCHES)(target)


def watchers(target: Target) -> None:
    """Health checks that watch for ever, as many as connections and calls allow."""
    asked = message(HealthCheckRequest().SerializeToString())
    with ExitStack() as stack:
        for _ in range(190):
            raw = stack.enter_context(Raw(target.address, 0.2).hello())
            raw.frames([ACK])
            for stream in range(1, 200, 2):
                raw.frames([headers(stream, HEALTH + "Watch"), *data(stream, asked)])
        raw.read()


def reflections(target: Target) -> None:
    """Streams of the reflection service that ask for everything again and again, and do not read."""
    asked = message(b"\x3a\x01*") * 5_000
    with ExitStack() as stack:
        for _ in range(40):
            raw = stack.enter_context(Raw(target.address, 0.2).hello(INITIAL_WINDOW_SIZE=0))
            raw.frames([ACK])
            raw.frames([headers(1, REFLECTION), *data(1, asked)])
        raw.read()


def no_window(target: Target) -> None:
    """Calls whose answers may not be sent, because the client gives them no room."""
    with ExitStack() as stack:
        for _ in range(190):
            raw = stack.enter_context(Raw(target.address, 0.2).hello(INITIAL_WINDOW_SIZE=0))
            raw.frames([ACK])
            for stream in range(1, 200, 2):
                raw.frames(call(stream, SINGLE, ADDITION))
        raw.read()


def slow_bodies(target: Target) -> None:
    """Two hundred calls whose message comes byte by byte."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address).hello()) for _ in range(200)]
        for raw in opened:
            raw.frames([ACK, headers(1, SINGLE)])
        for byte in message(b"\x08" + b"\x81" * 8 + b"\x01", length=1_000):
            for raw in opened:
                raw.frames([DataFrame(1, bytes([byte]))])


def header_references(target: Target) -> None:
    """A header of four kilobytes that is sent once and then named by one byte, a thousand times in a call."""
    encoder = Encoder()
    first = encoder.encode([(":method", "POST"), (":scheme", "http"), (":path", SINGLE), ("x", "a" * 4_000)])
    for _ in range(20):
        with Raw(target.address).hello() as raw:
            for stream in range(1, 100, 2):
                block = first if stream == 1 else b"\x83\x86" + b"\xbe" * 1_000
                raw.frames([HeadersFrame(stream, block, flags=["END_HEADERS"])])
            raw.read(0.1)


def flood(frames: Callable[[int], list[Frame]], count: int = 100_000) -> Attack:
    """Return an attack with many frames on a connection that has a call open; a few times, as each may be ended."""

    def attack(target: Target) -> None:
        for _ in range(5):
            with Raw(target.address).hello() as raw:
                raw.frames([ACK, headers(1, SINGLE)])
                for first in range(0, count, 1_000):
                    if not raw.frames(itertools.chain.from_iterable(frames(i) for i in range(first, first + 1_000))):
                        break

    return attack


def made_reset(target: Target) -> None:
    """Calls that the server must reset itself, by a frame that is wrong on them (CVE-2025-8671)."""
    for _ in range(5):
        with Raw(target.address).hello() as raw:
            raw.frames([ACK])
            for first in range(1, 40_000, 1_000):
                raw.frames(
                    frame
                    for stream in range(first, first + 1_000, 2)
                    for frame in (*call(stream, SINGLE, ADDITION), WindowUpdateFrame(stream, window_increment=1))
                )


def foreign_protocols(target: Target) -> None:
    """What speaks TLS, HTTP/1.1, PostgreSQL or Kafka has the wrong port."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    http = b"POST /sum.SumNumbersService/SumNumbers HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\n1"
    for words in (hello, http, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"\x00\x00\x00\x23\x00\x12\x00\x03" + bytes(31)):
        for _ in range(100):
            with Raw(target.address) as raw:
                raw.send(words)


def one_request_id(target: Target) -> None:
    """The same request id with other numbers each time, by many callers at once."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address).hello()) for _ in range(50)]
        for x, raw in enumerate(opened):
            raw.frames([ACK])
            body = message(SumNumbersRequest(x=x, y=1, request_id="the same").SerializeToString())
            for stream in range(1, 200, 2):
                raw.frames(call(stream, SINGLE, body))
        for raw in opened:
            raw.read(0.2)


FLOODS: Final = {
    "empty_data": flood(lambda _: [DataFrame(1)]),
    "padded_data": flood(lambda _: [DataFrame(1, b"", flags=["PADDED"], pad_length=255)], 20_000),
    "priorities": flood(lambda i: [PriorityFrame(2 * i + 3, depends_on=1, stream_weight=5)]),
    "windows": flood(lambda _: [WindowUpdateFrame(0, window_increment=1)]),
    "window_overflow": flood(lambda _: [WindowUpdateFrame(1, window_increment=(1 << 31) - 1)], 1_000),
    "goaways": flood(lambda _: [GoAwayFrame(0, last_stream_id=0, error_code=0)], 20_000),
    "promises": flood(lambda i: [PushPromiseFrame(1, 2 * i + 2, b"\x82", flags=["END_HEADERS"])], 1_000),
    "table_sizes": flood(lambda i: [SettingsFrame(0, {SettingsFrame.HEADER_TABLE_SIZE: i % 2 << 30})], 20_000),
    "empty_headers": flood(lambda i: [HeadersFrame(2 * i + 3, b""), *[ContinuationFrame(2 * i + 3, b"")] * 20], 1_000),
}


@pytest.mark.parametrize(
    "attack",
    [
        *(
            pytest.param(attack, id=attack.__name__)
            for attack in (
                dense_batches,
                watchers,
                reflections,
                no_window,
                everything,
                slow_bodies,
                header_references,
                made_reset,
                foreign_protocols,
                one_request_id,
            )
        ),
        *(pytest.param(attack, id=name) for name, attack in FLOODS.items()),
        pytest.param(large_singles(("grpc-encoding", "gzip")), id="inflated_singles"),
        pytest.param(large_singles(), id="large_singles"),
        pytest.param(unfinished(SINGLE), id="unfinished_singles"),
        pytest.param(unfinished(HEALTH + "Check"), id="unfinished_checks"),
        pytest.param(unfinished(BATCHES), id="unfinished_batches"),
        pytest.param(unfinished(REFLECTION), id="unfinished_reflections"),
    ],
)
def test_the_adder_endures(adder: Target, attack: Attack, request: pytest.FixtureRequest) -> None:
    """Each costs memory within the manifest's limit, and a client beside it right answers only."""
    adder.endure(lambda: attack(adder), request.node.name)
