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

import grpc.aio

from sumflow.errors import SumflowError
from sumflow.settings import Address
from sumflow.sums.sum_pb2 import SumNumbersRequest, SumNumbersResponse
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceServicer, add_SumNumbersServiceServicer_to_server

_STOPS_WITHIN_S = 5.0


class _Echo(SumNumbersServiceServicer):
    async def SumNumbers(  # noqa: N802, the contract's name
        self, request: SumNumbersRequest, context: grpc.aio.ServicerContext[SumNumbersRequest, SumNumbersResponse]
    ) -> SumNumbersResponse:
        return SumNumbersResponse(sum=request.x + request.y)


@contextmanager
def running() -> Iterator[Address]:
    """Run the server for the block; raise SumflowError if it does not start."""
    command = [sys.executable, "-m", "sumflow.bench.echo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            port = process.stdout.readline() if process.stdout else ""
            if not port.strip():
                raise SumflowError("the yardstick's gRPC server does not start", why="it ended without a word")
            yield Address("127.0.0.1", int(port))
        finally:
            process.terminate()
            try:
                process.wait(_STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


async def _serve() -> None:
    server = grpc.aio.server()
    add_SumNumbersServiceServicer_to_server(_Echo(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve())
