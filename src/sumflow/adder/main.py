"""The adder's process: starts the pieces, and stops them in the order that loses nothing."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import REGISTRY

from sumflow.adder.bounds import server_options
from sumflow.adder.crowding import make_room
from sumflow.adder.metrics import AdderMetrics
from sumflow.adder.processes import Vigil
from sumflow.adder.service import SERVICE_NAME, SumService
from sumflow.adder.writer import Writer
from sumflow.errors import SumflowError
from sumflow.settings import AdderSettings
from sumflow.telemetry import logs
from sumflow.telemetry.health import HealthServer

STOP_GRACE_S: Final = 5.0
"""How long calls that are on their way may take to end when the adder stops."""
_log = structlog.get_logger()


def run(settings: AdderSettings) -> None:
    """Serve until SIGTERM or SIGINT; return when everything accepted is stored and the lane is closed."""
    logs.configure("adder", settings.instance, settings.log_level)
    with logs.stray_lines():
        asyncio.run(_serve(settings))


async def _serve(settings: AdderSettings) -> None:
    vigil = Vigil()
    vigil.listen_for_signals()
    metrics = AdderMetrics(REGISTRY)
    writer = Writer(settings, metrics, vigil.changed)
    page = HealthServer(settings.metrics_listen, REGISTRY, live=vigil.heartbeat.problem, ready=writer.problem)
    try:
        service = SumService(writer, metrics, settings.adder_max_streams)
        server, state = await _start_server(settings, service)
        crowd = asyncio.create_task(make_room(settings))
        writing = asyncio.create_task(writer.run())
        await vigil.keep(writing, lambda: _set_health(state, serving=writer.problem() is None))
        crowd.cancel()
        await state.enter_graceful_shutdown()
        service.end_streams()
        await server.stop(STOP_GRACE_S)
        writer.stop()
        await writing
    finally:
        page.close()
    _log.info("stopped")


async def _start_server(
    settings: AdderSettings, service: SumService
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    server = grpc.aio.server(options=server_options(settings))
    server.add_generic_rpc_handlers((service.handler(),))
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    await _set_health(state, serving=False)
    try:
        server.add_insecure_port(str(settings.grpc_listen))
    except RuntimeError as error:  # gRPC's word for a port that cannot be had
        raise SumflowError(
            f"the adder cannot listen on {settings.grpc_listen}",
            why=str(error),
            remedy="free the port, or set GRPC_LISTEN to another address",
        ) from error
    await server.start()
    _log.info("listening", address=str(settings.grpc_listen))
    return server, state


async def _set_health(state: health.aio.HealthServicer, *, serving: bool) -> None:
    kinds = health_pb2.HealthCheckResponse
    for name in ("", SERVICE_NAME):
        await state.set(name, kinds.SERVING if serving else kinds.NOT_SERVING)
