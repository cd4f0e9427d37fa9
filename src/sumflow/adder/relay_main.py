"""The relay's process: one beside each adder, any of them able to publish what the others left."""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import REGISTRY

from sumflow.adder.metrics import RelayMetrics
from sumflow.adder.processes import Vigil
from sumflow.adder.relay import Relay
from sumflow.settings import RelaySettings
from sumflow.telemetry import logs
from sumflow.telemetry.health import HealthServer

_log = structlog.get_logger()


def run(settings: RelaySettings) -> None:
    """Publish until SIGTERM or SIGINT; return when what was sent is acknowledged and recorded, within seconds."""
    logs.configure("relay", settings.instance, settings.log_level)
    with logs.stray_lines():
        asyncio.run(_publish(settings))


async def _publish(settings: RelaySettings) -> None:
    vigil = Vigil()
    vigil.listen_for_signals()
    relay = Relay(settings, RelayMetrics(REGISTRY))
    page = HealthServer(settings.metrics_listen, REGISTRY, live=vigil.heartbeat.problem, ready=relay.problem)
    try:
        publishing = asyncio.create_task(relay.run())
        await vigil.keep(publishing, _nothing)
        relay.stop()
        await publishing
    finally:
        page.close()
    _log.info("stopped")


async def _nothing() -> None:
    """There is nothing to pass on: the health page asks for itself."""
