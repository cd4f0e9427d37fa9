"""The options of commands that speak to the pipeline, and where they find it when nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sumflow.cli import clusters
from sumflow.client.endpoints import ADDER, TOTALIZER, Endpoints
from sumflow.errors import UsageError
from sumflow.settings import Address
from sumflow.sums.totals import flaw_of

Command = TypeVar("Command", bound=Callable[..., Any])


def pipeline_options(command: Command) -> Command:
    """Give a command --adder, --totalizer and --on; it takes `adder` and `totalizer`, which may be None."""
    command = clusters.place_options(command)
    command = click.option("--totalizer", metavar="URL", help="The totalizer, if not this machine's own system.")(
        command
    )
    return click.option("--adder", metavar="HOST:PORT", help="The adder, if not this machine's own system.")(command)


def total_option(command: Command) -> Command:
    """Give a command --total; it takes `total`, a name that is one, or empty."""
    return click.option("--total", metavar="NAME", default="", callback=as_name, help="The total, by its name.")(
        command
    )


def as_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return the name of a total, empty if none is given; raise UsageError if it can be none."""
    if flaw := flaw_of(value or ""):
        raise UsageError(flaw)
    return value or ""


def label(name: str) -> str:
    """Say which total a figure is of."""
    return f"total {name}" if name else "total"


def find(data_dir: Path, adder: str | None, totalizer: str | None) -> Endpoints:
    """Return the doors that were named, or those of the system on the cluster or in the data directory."""
    if adder and totalizer:
        return Endpoints(_address(adder), _url(totalizer), system=adder)
    if clusters.place().kubernetes:
        return _forwarded(adder, totalizer)
    from sumflow.local import facade

    known = facade.addresses(data_dir)
    return Endpoints(_address(adder or known[ADDER]), _url(totalizer or known[TOTALIZER]), system=adder or "")


def _forwarded(adder: str | None, totalizer: str | None) -> Endpoints:
    """Forward a cluster's doors to this machine for as long as the command runs."""
    from sumflow.cluster.target import endpoints

    cluster = clusters.place().connect()
    doors = click.get_current_context().with_resource(endpoints(cluster))
    return Endpoints(
        _address(adder) if adder else doors.adder,
        _url(totalizer) if totalizer else doors.totalizer_url,
        system=adder or cluster.server,
    )


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error), remedy="give the adder as in `--adder 127.0.0.1:50051`") from error


def _url(text: str) -> str:
    return text if "://" in text else f"http://{text}"
