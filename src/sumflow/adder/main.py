"""The adder's process: starts the pieces, and stops them in the order that loses nothing."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import REGISTRY

from sumflow.adder.metrics import AdderMetrics
from sumflow.adder.service import SERVICE_NAME, SumService
from sumflow.adder.writer import Writer
from sumflow.settings import AdderSettings
from sumflow.telemetry import logs
from sumflow.telemetry.health import HealthServer, Heartbeat

STOP_GRACE_S: Final = 5.0
"""How long calls that are on their way may take to end when the adder stops."""
_BEAT_S: Final = 1.0
_OPTIONS: Final = (
    # Replicas on one machine share the port; the kernel spreads connections over them.
    ("grpc.so_reuseport", 1),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
)
_log = structlog.get_logger()


def run(settings: AdderSettings) -> None:
    """Serve until SIGTERM or SIGINT; return when everything accepted is stored and the lane is closed."""
    logs.configure("adder", settings.instance, settings.log_level)
    asyncio.run(_serve(settings))


async def _serve(settings: AdderSettings) -> None:
    stopped, changed = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        stopped.set()
        changed.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    metrics = AdderMetrics(REGISTRY)
    writer = Writer(settings, metrics, changed)
    writing = asyncio.create_task(writer.run())
    writing.add_done_callback(lambda _: changed.set())
    heartbeat = Heartbeat()
    page = HealthServer(settings.metrics_listen, REGISTRY, live=heartbeat.problem, ready=writer.problem)
    try:
        server, state = await _start_server(settings, SumService(writer, metrics))
        while not stopped.is_set() and not writing.done():
            heartbeat.beat()
            await _set_health(state, serving=writer.problem() is None)
            await _wait(changed, _BEAT_S)
        await _stop(server, state, writer)
        await writing
    finally:
        page.close()
    _log.info("stopped")


async def _start_server(
    settings: AdderSettings, service: SumService
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((service.handler(),))
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    await _set_health(state, serving=False)
    server.add_insecure_port(str(settings.grpc_listen))
    await server.start()
    _log.info("listening", address=str(settings.grpc_listen))
    return server, state


async def _wait(changed: asyncio.Event, limit_s: float) -> None:
    """Wait for news, or for the time of the next beat."""
    try:
        async with asyncio.timeout(limit_s):
            await changed.wait()
    except TimeoutError:
        return
    changed.clear()


async def _set_health(state: health.aio.HealthServicer, *, serving: bool) -> None:
    kinds = health_pb2.HealthCheckResponse
    for name in ("", SERVICE_NAME):
        await state.set(name, kinds.SERVING if serving else kinds.NOT_SERVING)


async def _stop(server: grpc.aio.Server, state: health.aio.HealthServicer, writer: Writer) -> None:
    await state.enter_graceful_shutdown()
    await server.stop(STOP_GRACE_S)
    writer.stop()
