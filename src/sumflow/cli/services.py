"""What runs in the services' containers: their own commands, and what an audit asks for; hidden from the help page."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from sumflow import settings

_LEAST_URGENT: Final = 19


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


@click.command(hidden=True)
@click.option("--bootstrap", required=True, metavar="HOST:PORT")
@click.argument("topic")
@click.argument("places", nargs=-1, metavar="PARTITION:FIRST:END...")
def records(bootstrap: str, topic: str, places: tuple[str, ...]) -> None:
    """Send a topic's records in batches, one for each line that asks for it (see sumflow.audit.carried)."""
    from sumflow.audit import carried
    from sumflow.audit.records import read

    os.nice(_LEAST_URGENT)  # the service beside it comes first

    with read(bootstrap, topic, carried.held_of(places)) as reading:
        for _, answer in zip(sys.stdin.buffer, carried.answers(reading), strict=False):
            sys.stdout.buffer.write(answer)
            sys.stdout.buffer.flush()
