"""Random bytes to the ports of real processes: they live, keep their memory, and answer others rightly meanwhile."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Final

import pytest
from hyperframe.frame import Frame, PingFrame, PriorityFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from sumflow.sums.sum_pb2 import SumBatchRequest, SumNumbersRequest
from tests.fuzz.mutation import Case, Mutator
from tests.limits.conftest import adder, settings, totalizer  # noqa: F401, fixtures
from tests.limits.raw import BATCHES, PREFACE, SINGLE, Raw, data, headers, message
from tests.limits.target import Target
from tests.totalizer.conftest import bench  # noqa: F401, a fixture

pytestmark = pytest.mark.integration

INPUTS: Final = int(os.environ.get("SUMFLOW_FUZZ_PORT_INPUTS") or 2_000)
"""For each port."""
SEED: Final = int(os.environ.get("SUMFLOW_FUZZ_SEED") or 0)

HTTP: Final[tuple[Case, ...]] = tuple(
    (f"{line} HTTP/1.1\r\n".encode(), b'Host: a\r\nIf-None-Match: "6"\r\nAccept: */*\r\n', b"\r\n", b"")
    for line in (
        "GET /v1/results?position=5ca1ab1e-0000-4000-8000-00000000cafe:5&wait=1ms",
        "GET /v1/results/meters",
        "GET /v1/totals?limit=10&after=a",
        "GET /v1/healthcheck",
        "HEAD /v1/stream",
        "POST /v1/results",
        "GET /",
    )
)


def _call(path: str, *bodies: bytes) -> Case:
    frames: list[Frame] = [
        SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}),
        headers(1, path, ("grpc-timeout", "5S"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")),
        *(frame for body in bodies for frame in data(1, message(body))),
        WindowUpdateFrame(0, 1000),
        PingFrame(0, b"12345678"),
        PriorityFrame(3, 0, 5),
        RstStreamFrame(1, 8),
    ]
    return (PREFACE, *(frame.serialize() for frame in frames))


GRPC: Final[tuple[Case, ...]] = (
    _call(SINGLE, SumNumbersRequest(x=1, y=2, request_id="a").SerializeToString()),
    _call(BATCHES, *(SumBatchRequest(x=[1, 2], y=[n, 4]).SerializeToString() for n in range(3))),
    _call("/grpc.health.v1.Health/Check", b""),
    _call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", b"\x3a\x00"),
)


def sending(corpus: tuple[Case, ...], target: Target) -> Callable[[], None]:
    """Return an attack that sends inputs made from a corpus, each over a connection of its own."""

    def send() -> None:
        mutator = Mutator(corpus, random.Random(SEED))  # noqa: S311
        for _ in range(INPUTS):
            first, *rest = mutator.next()
            with Raw(target.address, 0.2) as raw:
                # Mostly with a right beginning: what is refused at once reaches little of the code.
                raw.send(b"".join((corpus[0][0] if corpus is GRPC and mutator.chance.random() < 0.9 else first, *rest)))

    return send


@pytest.mark.timeout(3600)
def test_random_bytes_at_the_adders_port(adder: Target) -> None:  # noqa: F811
    """Mutated HTTP/2 frames, gRPC messages and protobufs."""
    adder.endure(sending(GRPC, adder), f"{INPUTS:,} inputs to gRPC")


@pytest.mark.timeout(3600)
def test_random_bytes_at_the_totalizers_port(totalizer: Target) -> None:  # noqa: F811
    """Mutated HTTP/1.1 requests."""
    totalizer.endure(sending(HTTP, totalizer), f"{INPUTS:,} inputs to REST")
