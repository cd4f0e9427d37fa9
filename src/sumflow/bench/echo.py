"""The yardstick of unary calls: a gRPC server that stores nothing and answers at once, in a process of its own.

It speaks the adder's own contract through the same library (grpcio.aio), so that a load cannot tell it from an adder:
what lies between the two is what group commit to a durable database costs.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc
import grpc.aio

from sumflow.errors import SumflowError
from sumflow.local import preflight
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumNumbersRequest, SumNumbersResponse
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceServicer, add_SumNumbersServiceServicer_to_server

_STARTS_WITHIN_S: Final = 20.0
_STOPS_WITHIN_S: Final = 5.0


class _Echo(SumNumbersServiceServicer):
    async def SumNumbers(  # noqa: N802, the contract's name
        self, request: SumNumbersRequest, context: grpc.aio.ServicerContext[SumNumbersRequest, SumNumbersResponse]
    ) -> SumNumbersResponse:
        return SumNumbersResponse(sum=request.x + request.y)


@contextmanager
def running() -> Iterator[Address]:
    """Run the server for the block; raise SumflowError if it does not start."""
    address = Address("127.0.0.1", preflight.free_block(1))
    with subprocess.Popen([sys.executable, "-m", "sumflow.bench.echo", str(address)]) as process:
        try:
            _await(address)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(_STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(address: Address) -> None:
    with grpc.insecure_channel(str(address)) as channel:
        try:
            grpc.channel_ready_future(channel).result(_STARTS_WITHIN_S)
        except grpc.FutureTimeoutError as error:
            raise SumflowError(f"the yardstick's gRPC server does not answer on {address}") from error


async def _serve(address: str) -> None:
    server = grpc.aio.server()
    add_SumNumbersServiceServicer_to_server(_Echo(), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
