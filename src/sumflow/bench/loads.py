"""The loads: many callers of one addition each, streams of batches, and the way from an answer to the total."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import grpc.aio
import httpx

from sumflow.errors import SumflowError
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumBatchRequest, SumNumbersRequest, SumNumbersResponse
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

CALLERS: Final = 64
STREAMS: Final = 2
BATCH: Final = 2_000
_CALL_TIMEOUT_S: Final = 20.0
_UNARY: Final = SumNumbersRequest(x=1, y=1)


async def unary_rate(address: Address, seconds: float) -> float:
    """Return the answers a second that callers get who each wait for one before they ask again."""
    async with grpc.aio.insecure_channel(str(address)) as channel:
        call = SumNumbersServiceStub(channel).SumNumbers  # type: ignore[no-untyped-call]
        await call(_UNARY, timeout=_CALL_TIMEOUT_S, wait_for_ready=True)
        began = time.perf_counter()
        until = began + seconds
        answered = await asyncio.gather(*(_ask_until(call, until) for _ in range(CALLERS)))
        return sum(answered) / (time.perf_counter() - began)


async def _ask_until(
    call: grpc.aio.UnaryUnaryMultiCallable[SumNumbersRequest, SumNumbersResponse], until: float
) -> int:
    answered = 0
    while time.perf_counter() < until:
        await call(_UNARY, timeout=_CALL_TIMEOUT_S)
        answered += 1
    return answered


async def batch_rate(address: Address, sums: int) -> tuple[float, list[str]]:
    """Store sums through some streams.

    Returns:
        Sums a second from the first message until the last answer, and each stream's last position.
    """
    began = time.perf_counter()
    positions = await asyncio.gather(*(_stream(address, sums // STREAMS) for _ in range(STREAMS)))
    return sums / (time.perf_counter() - began), positions


async def _stream(address: Address, sums: int) -> str:
    """Send batches of BATCH through one stream, all answered; return the last position."""

    async def messages() -> AsyncIterator[SumBatchRequest]:
        for _ in range(sums // BATCH):
            yield message

    message, position, stored = SumBatchRequest(x=[1] * BATCH, y=[1] * BATCH), "", 0
    async with grpc.aio.insecure_channel(str(address)) as channel:
        stub = SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]
        async for answer in stub.SumBatches(messages()):
            stored, position = stored + answer.accepted, answer.position
    if stored != sums // BATCH * BATCH:
        raise SumflowError(f"the adder stored {stored} of {sums} sums", remedy="`sumflow logs adder` shows its side")
    return position


async def await_counted(totalizer_url: str, positions: list[str], within_s: float) -> None:
    """Wait until the total includes all positions; raise SumflowError if it does not in time."""
    deadline = time.perf_counter() + within_s
    async with httpx.AsyncClient(base_url=totalizer_url, trust_env=False, timeout=30.0) as http:
        for position in positions:
            while not await _included(http, position):
                if time.perf_counter() > deadline:
                    raise SumflowError(f"the total does not include {position} within {within_s:.0f} s")


async def pipeline_rate(address: Address, totalizer_url: str, sums: int, within_s: float) -> float:
    """Return the sums a second from the first message until the total includes all of them."""
    began = time.perf_counter()
    _, positions = await batch_rate(address, sums)
    await await_counted(totalizer_url, positions, within_s)
    return sums / (time.perf_counter() - began)


async def _included(http: httpx.AsyncClient, position: str) -> bool:
    answer = await http.get("/v1/results", params={"position": position, "wait": "10s"})
    return answer.status_code == httpx.codes.OK


async def visible_after_s(address: Address, totalizer_url: str, additions: int, every_s: float) -> list[float]:
    """Add at a steady rate; return how long after each answer the total had the addition, in ascending order."""
    async with (
        grpc.aio.insecure_channel(str(address)) as channel,
        httpx.AsyncClient(base_url=totalizer_url, trust_env=False, timeout=30.0) as http,
    ):
        call = SumNumbersServiceStub(channel).SumNumbers  # type: ignore[no-untyped-call]

        async def one(number: int) -> float:
            await asyncio.sleep(max(0.0, began + number * every_s - time.perf_counter()))
            answer = await call(_UNARY, timeout=_CALL_TIMEOUT_S)
            answered_at = time.perf_counter()
            if not await _included(http, answer.position):
                raise SumflowError(f"the total does not include {answer.position} within 10 s")
            return time.perf_counter() - answered_at

        await call(_UNARY, timeout=_CALL_TIMEOUT_S, wait_for_ready=True)
        began = time.perf_counter()
        return sorted(await asyncio.gather(*map(one, range(additions))))
