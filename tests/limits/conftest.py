"""The processes that are attacked, as the manifests configure them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import grpc
import httpx
import pytest

from sumflow.client.adder import open_channel
from sumflow.settings import AdderSettings, Address
from sumflow.sums.sum_pb2 import SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub
from tests.adder.processes import process, ready
from tests.adder.support import adder_settings
from tests.limits.target import Target, memory_limit
from tests.totalizer.bench import Bench
from tests.totalizer.conftest import bench  # noqa: F401, a fixture
from tests.totalizer.records import Lane

LOG = "adder.log"


@pytest.fixture
def settings(database_url: str) -> AdderSettings:
    """Settings of an adder on an empty database."""
    return adder_settings(database_url)


@pytest.fixture
def adder(settings: AdderSettings, tmp_path: Path) -> Iterator[Target]:
    """An adder's process, attacked at its gRPC port; what it writes on standard error is in the test's directory."""
    with (
        (tmp_path / LOG).open("wb") as written,
        process(settings, written) as popen,
        open_channel(settings.grpc_listen) as channel,
    ):
        asyncio.run(ready(settings))
        yield Target(popen, settings.grpc_listen, adding(channel), memory_limit("adder"))


def adding(channel: grpc.Channel) -> Callable[[], None]:
    """Return a question of a well-behaved client: one addition, with the right sum and the next place."""
    numbers = count()
    call = SumNumbersServiceStub(channel).SumNumbers  # type: ignore[no-untyped-call]

    def ask() -> None:
        x = next(numbers)
        answer = call(SumNumbersRequest(x=x, y=7, request_id=f"bystander-{x}"), timeout=30)
        assert (answer.sum, ":" in answer.position) == (x + 7, True)

    return ask


@pytest.fixture
def totalizer(bench: Bench) -> Iterator[Target]:  # noqa: F811
    """A totalizer's process with a total of 6, attacked at its REST port."""
    bench.add(Lane(), [1, 2, 3])
    with bench.process() as running:
        running.await_ready()
        bench.eventually(bench.total, (3, 6))
        with newcomers(running.settings.http_listen) as client:

            def ask() -> None:
                answer = client.get("/v1/results")
                assert (answer.status_code, answer.json()) == (200, {"result": 6})

            yield Target(running.popen, running.settings.http_listen, ask, memory_limit("totalizer"))


def newcomers(address: Address) -> httpx.Client:
    """Return a client that connects anew for each request."""
    return httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=30, headers={"Connection": "close"})
