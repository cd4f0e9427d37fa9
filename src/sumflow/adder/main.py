"""The adder's process: starts the pieces, and stops them in the order that loses nothing."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc.aio
import structlog
from prometheus_client import REGISTRY

from sumflow.adder.bounds import server_options
from sumflow.adder.companions import Companions
from sumflow.adder.crowding import make_room
from sumflow.adder.intake import Intake
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
        intake = Intake()
        service = SumService(writer, metrics, settings.adder_max_streams, intake)
        companions = Companions(SERVICE_NAME, intake)
        server = await start_server(settings, service, companions)
        crowd = asyncio.create_task(make_room(settings))
        writing = asyncio.create_task(writer.run())
        await vigil.keep(writing, lambda: companions.set_serving(serving=writer.problem() is None))
        crowd.cancel()
        await companions.say_goodbye()
        service.end_streams()
        await server.stop(STOP_GRACE_S)
        writer.stop()
        await writing
    finally:
        page.close()
    _log.info("stopped")


async def start_server(settings: AdderSettings, service: SumService, companions: Companions) -> grpc.aio.Server:
    """Serve on the port of the settings; raise SumflowError if it cannot be had."""
    server = grpc.aio.server(options=server_options(settings))
    server.add_generic_rpc_handlers((service.handler(), *companions.handlers()))
    await companions.set_serving(serving=False)
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
    return server
