"""What hostile clients do to the adder's port: it lives, keeps its memory, and others are served beside them."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from copy import copy
from pathlib import Path
from typing import Final

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

from sumflow.adder.bounds import HANDSHAKE_WITHIN_MS, MAX_MESSAGE_BYTES
from sumflow.adder.requests import MAX_BATCH_ADDITIONS
from sumflow.client.adder import Adder, open_channel
from sumflow.settings import AdderSettings
from sumflow.sums.numbers import INT64_MAX
from sumflow.sums.sum_pb2 import SumBatchRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub
from tests.limits.bystander import PATIENCE_S
from tests.limits.conftest import LOG, adding
from tests.limits.raw import BATCHES, SINGLE, Raw, data, headers, message
from tests.limits.target import Target, await_still

pytestmark = pytest.mark.integration

Attack = Callable[[Target], object]
FLOOD: Final = 50_000
MANY: Final = 2_000
DEAF_STREAMS: Final = 80
BATCHES_OF_A_STREAM: Final = 200


def silent(target: Target) -> None:
    """Connect more often than is allowed, and say nothing: those beyond the limit are closed."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address)) for _ in range(MANY)]
        assert sum(raw.is_closed_within(0.001) for raw in opened) > MANY // 2


def never_ending_headers(target: Target) -> None:
    """A header block that goes on and on in CONTINUATION frames, as long as the server takes them."""
    more = ContinuationFrame(1, b"\x00\x01a\x7f\x80\x01" + b"a" * 255)
    with Raw(target.address).hello() as raw:
        raw.frames([headers(1, SINGLE, flags=())])
        for _ in range(FLOOD // 50):
            raw.frames([more] * 50)


def drip(target: Target) -> None:
    """Two hundred connections that send a frame's header byte by byte."""
    frame = headers(1, SINGLE).serialize()
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(target.address).hello()) for _ in range(200)]
        for byte in frame[:40]:
            for raw in opened:
                raw.send(bytes([byte]))


def huge_headers(target: Target) -> None:
    """Calls whose metadata is far beyond the limit."""
    for _ in range(20):
        with Raw(target.address).hello() as raw:
            block = headers(1, SINGLE, ("x-fill", "a" * (1 << 20))).data
            first, *rest = (block[at : at + 16_000] for at in range(0, len(block), 16_000))
            begun = headers(1, SINGLE, flags=())
            begun.data = first
            raw.frames([begun, *(ContinuationFrame(1, part) for part in rest[:-1])])
            raw.frames([ContinuationFrame(1, rest[-1], flags=["END_HEADERS"])])
            raw.read(0.2)


def open_streams(target: Target) -> None:
    """Calls by the ten thousand that never send a message."""
    with ExitStack() as stack:
        for _ in range(4):
            raw = stack.enter_context(Raw(target.address).hello())
            for first in range(1, FLOOD // 2, 1000):
                raw.frames(headers(stream, SINGLE) for stream in range(first, first + 1000, 2))
        assert raw.read()


def rapid_reset(target: Target) -> None:
    """Calls that are reset as soon as they are made (CVE-2023-44487)."""
    with Raw(target.address).hello() as raw:
        for first in range(1, 2 * FLOOD, 1000):
            raw.frames(f for s in range(first, first + 1000, 2) for f in (headers(s, SINGLE), RstStreamFrame(s, 8)))


def flood_of(frame: PingFrame | SettingsFrame) -> Attack:
    """Return an attack with many equal frames that must each be answered, by a client that does not read."""

    def flood(target: Target) -> None:
        with Raw(target.address).hello() as raw:
            for _ in range(FLOOD // 500):
                raw.frames(itertools.repeat(frame, 500))

    return flood


def huge_message(target: Target) -> None:
    """Messages that are, and messages that only say they are, far beyond the limit."""
    for length in (None, (1 << 32) - 1):
        with Raw(target.address).hello() as raw:
            raw.frames([headers(1, SINGLE)])
            raw.frames(data(1, message(b"\0" * (8 * MAX_MESSAGE_BYTES), length=length)))
            raw.read(0.2)


def bomb(target: Target) -> None:
    """A small message that inflates to 300 MiB, again and again."""
    body = message(gzip.compress(b"\0" * (300 << 20)), is_compressed=True)
    for _ in range(5):
        with Raw(target.address).hello() as raw:
            raw.frames([headers(1, SINGLE, ("grpc-encoding", "gzip"))])
            raw.frames(data(1, body))
            raw.read(1)


def deaf(request: SumBatchRequest) -> Attack:
    """Return an attack with streams that send batches and never read an answer, by clients that know flow control."""

    def flood(target: Target) -> None:
        sent = itertools.count()
        with ExitStack() as stack:
            for _ in range(DEAF_STREAMS):
                channel = stack.enter_context(open_channel(target.address))
                batches = (request for _ in range(BATCHES_OF_A_STREAM) if next(sent) >= 0)
                SumNumbersServiceStub(channel).SumBatches(batches)  # type: ignore[no-untyped-call]
            await_still(lambda: next(copy(sent)))

    return flood


def malformed_frames(target: Target) -> None:
    """Frames with wrong lengths, on wrong streams, of unknown types, and bytes that are no frames."""
    chance = random.Random(5)  # noqa: S311
    for _ in range(300):
        with Raw(target.address).hello() as raw:
            frames: list[Frame] = [headers(1, SINGLE), *data(1, message(b"\x08\x01"))]
            good = b"".join(frame.serialize() for frame in frames)
            bad = bytearray(good)
            for _ in range(chance.randrange(1, 6)):
                bad[chance.randrange(len(bad))] = chance.randrange(256)
            raw.send(bytes(bad) if chance.random() < 0.7 else chance.randbytes(chance.randrange(2000)))


def unreadable_names(target: Target) -> None:
    """Calls of methods whose names are no UTF-8: gRPC's Python part fails at each, and prints how."""
    with Raw(target.address).hello() as raw:
        for stream in range(1, 400, 2):
            frame = headers(stream, SINGLE)
            frame.data = frame.data.replace(SINGLE.encode(), SINGLE.encode()[:-1] + b"\xff")
            raw.frames([frame])
        assert raw.read()


def malformed_messages(target: Target) -> None:
    """Calls whose messages are not those of the contract."""
    chance = random.Random(7)  # noqa: S311
    for path in (SINGLE, BATCHES, "/sum.SumNumbersService/", "/", "/" + "a" * 5000):
        with Raw(target.address).hello() as raw:
            for stream in range(1, 400, 2):
                body = message(chance.randbytes(chance.randrange(60)), is_compressed=chance.random() < 0.2)
                raw.frames([headers(stream, path), DataFrame(stream, body, flags=["END_STREAM"])])
            assert raw.read()


def named(attacks: Iterable[Attack]) -> Iterator[object]:
    """Give each attack its own test."""
    for attack in attacks:
        yield pytest.param(attack, id=attack.__name__)


@pytest.mark.parametrize(
    "attack",
    [
        *named(
            (
                silent,
                never_ending_headers,
                drip,
                huge_headers,
                open_streams,
                rapid_reset,
                huge_message,
                bomb,
                malformed_frames,
                unreadable_names,
                malformed_messages,
            )
        ),
        pytest.param(flood_of(PingFrame(0, b"12345678")), id="pings"),
        pytest.param(flood_of(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 65_535})), id="settings"),
        pytest.param(deaf(SumBatchRequest(x=[1] * MAX_BATCH_ADDITIONS, y=[1] * MAX_BATCH_ADDITIONS)), id="deaf"),
        pytest.param(
            deaf(SumBatchRequest(x=[INT64_MAX] * MAX_BATCH_ADDITIONS, y=[1] * MAX_BATCH_ADDITIONS)),
            id="deaf_to_rejections",
        ),
        pytest.param(
            deaf(SumBatchRequest(x=[1] * 10_000, y=[1] * 10_000, totals=["n" * 120 + str(i) for i in range(10_000)])),
            id="deaf_with_names",
        ),
    ],
)
def test_the_adder_endures(adder: Target, attack: Attack, request: pytest.FixtureRequest) -> None:
    """Each attack costs memory within the manifest's limit, and a client beside it right answers only."""
    adder.endure(lambda: attack(adder), request.node.name)


def test_connections_that_say_nothing_are_closed(adder: Target) -> None:
    """They hold every place for a short time only: then somebody who comes anew is served."""
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(adder.address)) for _ in range(MANY)]
        assert all(raw.is_closed_within(HANDSHAKE_WITHIN_MS / 1000 + PATIENCE_S) for raw in opened)
        channel = stack.enter_context(open_channel(adder.address))
        adding(channel)()


def test_whoever_is_silent_gives_way(adder: Target, settings: AdderSettings) -> None:
    """Connections that begin a call and say nothing more take every place; whoever comes anew is served, and others."""

    def take_all_places() -> None:
        with ExitStack() as stack:
            for _ in range(settings.adder_max_connections):
                raw = stack.enter_context(Raw(adder.address).hello())
                raw.frames([SettingsFrame(0, flags=["ACK"]), headers(1, SINGLE)])
            newcomer = stack.enter_context(Adder(adder.address, patience_s=PATIENCE_S / 2))
            assert newcomer.add(2, 3).sum == 5

    adder.endure(take_all_places, "silent calls")


def test_whatever_clients_send_the_log_is_json_and_short(adder: Target, tmp_path: Path) -> None:
    """gRPC's core prints, and its Python part prints tracebacks: each is a JSON object of ours, or left out."""
    log = tmp_path / LOG
    began = len(log.read_text().splitlines())
    malformed_frames(adder)
    unreadable_names(adder)
    adder.ask()
    lines = [json.loads(line) for line in log.read_text().splitlines()][began:]
    assert any("UnicodeDecodeError" in line["event"] for line in lines), "the attack is not noticed any more"
    assert len(lines) < 300
