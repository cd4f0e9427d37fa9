"""The services' own commands: what a container's `args` and the local supervisor start; hidden from the help page."""

from __future__ import annotations

import click

from sumflow import settings


@click.command(hidden=True)
def adder() -> None:
    """Serve gRPC additions until SIGTERM; the environment says where (k8s/services/adder.yaml)."""
    settings.quieten_grpc()
    from sumflow.adder.main import run

    run(settings.load(settings.AdderSettings))


@click.command(hidden=True)
def relay() -> None:
    """Publish the adders' accepted additions to Kafka until SIGTERM."""
    from sumflow.adder.relay_main import run

    run(settings.load(settings.RelaySettings))


@click.command(hidden=True)
def totalizer() -> None:
    """Count what was published, and serve the total, until SIGTERM."""
    from sumflow.totalizer.main import run

    run(settings.load(settings.TotalizerSettings))
