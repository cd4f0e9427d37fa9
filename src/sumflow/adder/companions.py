"""What the gRPC port serves beside additions, health and reflection: those of gRPC's library, with bounds.

Sources: grpc/health/v1/health.proto, grpc/reflection/v1alpha/reflection.proto.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from sumflow.adder.comeback import trailers
from sumflow.adder.intake import MALFORMED, Context, Intake, Places, reader
from sumflow.adder.requests import Refused

MAX_WATCHERS: Final = 1_000
"""Each takes 19 KiB for as long as it likes."""
MAX_REFLECTIONS: Final = 16
REFLECTION_S: Final = 60.0
"""A tool asks for what it needs within a second; its place is free for the next after this time."""


class Companions:
    """Answers grpc.health.v1 and grpc.reflection.v1alpha.

    Args:
        service: the full name of the service whose health it is.
        intake: reads the messages of calls; shared with the service.
    """

    def __init__(self, service: str, intake: Intake) -> None:
        names = (service, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._service = service
        self._intake = intake
        self._health = health.aio.HealthServicer()
        self._reflection = reflection.aio.ReflectionServicer(names)
        self._watchers = Places(MAX_WATCHERS, "watchers of this adder's health")
        self._reflections = Places(MAX_REFLECTIONS, "reflections")

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return the handlers to add to a server; a call of one message is declared as a stream, as the intake says."""
        asked, answered = reader(HealthCheckRequest), HealthCheckResponse.SerializeToString
        healths: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Check": grpc.stream_unary_rpc_method_handler(self.check, asked, answered),
            "Watch": grpc.stream_stream_rpc_method_handler(self.watch, asked, answered),
        }
        reflections: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                self.reflect, reader(ServerReflectionRequest), ServerReflectionResponse.SerializeToString
            )
        }
        return (
            grpc.method_handlers_generic_handler(health.SERVICE_NAME, healths),
            grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, reflections),
        )

    async def set_serving(self, *, serving: bool) -> None:
        """Say to those who ask and to those who watch whether additions are taken."""
        for name in ("", self._service):
            await self._health.set(name, HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    async def say_goodbye(self) -> None:
        """Say that this adder serves nothing more, whatever is set from now on."""
        await self._health.enter_graceful_shutdown()

    async def check(self, _: object, context: Context) -> Any:
        """Answer with the health of a service; NOT_FOUND if it is none of ours."""
        try:
            return await self._health.Check(await self._intake.read(context), context)
        except Refused as refused:
            await _abort(context, refused)

    async def watch(self, _: object, context: Context) -> None:
        """Answer with the health of a service, and again whenever it changes."""
        try:
            asked = await self._intake.read(context)
            with self._watchers.one():
                await self._health.Watch(asked, context)
        except Refused as refused:
            await _abort(context, refused)

    async def reflect(self, requests: AsyncIterator[ServerReflectionRequest | None], context: Context) -> None:
        """Describe the contract to tools."""
        try:
            with self._reflections.one():
                async with asyncio.timeout(REFLECTION_S):
                    async for answer in self._reflection.ServerReflectionInfo(_well_formed(requests), context):
                        await context.write(answer)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"a reflection has {REFLECTION_S:.0f} s")
        except Refused as refused:
            await _abort(context, refused)


async def _well_formed(
    requests: AsyncIterator[ServerReflectionRequest | None],
) -> AsyncIterator[ServerReflectionRequest]:
    async for request in requests:
        if request is None:
            raise MALFORMED
        yield request


async def _abort(context: Context, refused: Refused) -> None:
    await context.abort(refused.code, refused.message, trailers(refused))
