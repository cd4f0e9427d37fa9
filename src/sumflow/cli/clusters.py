"""The options of commands that speak to a Kubernetes cluster, and how they reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sumflow.settings import CommandSettings, load

if TYPE_CHECKING:
    from sumflow.cluster.bringup import Options
    from sumflow.cluster.client import Cluster

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Where the system is: on this machine, or on the cluster of a kubeconfig context (None: the current one)."""

    kubernetes: bool
    context: str | None

    def connect(self) -> Cluster:
        """Reach the cluster; raise SumflowError if that is impossible."""
        return connect(self.context)

    def named(self, data_dir: Path) -> str:
        """Name the system for a question, so that nobody says yes to another one than they mean."""
        return f"on {where(self.connect())}" if self.kubernetes else f"in {data_dir}"


def where(cluster: Cluster) -> str:
    """Name a cluster: its context, and the address of its API."""
    return f"{cluster.context} ({cluster.server})"


def connect(context: str | None) -> Cluster:
    """Reach the cluster of a context; raise SumflowError if that is impossible."""
    from sumflow.cluster.client import Cluster

    return Cluster.connect(context)


def context_option(command: Command) -> Command:
    """Give a command --context; it takes `context`, None for the current one."""
    return click.option("--context", metavar="NAME", help="The kubeconfig context; the current one by default.")(
        command
    )


def place_options(command: Command) -> Command:
    """Give a command --on and --context; `place` returns what they say."""
    command = click.option(
        "--context",
        metavar="NAME",
        expose_value=False,
        callback=_keep,
        help="The cluster of that kubeconfig context; implies --on kubernetes.",
    )(command)
    return click.option(
        "--on",
        type=click.Choice(["machine", "kubernetes"]),
        default="machine",
        show_default=True,
        expose_value=False,
        callback=_keep,
        help="Where the system is: on this machine or on a cluster.",
    )(command)


def place() -> Place:
    """Return where the running command was told that the system is."""
    said = click.get_current_context().meta
    context = said.get("sumflow.context")
    return Place(kubernetes=said.get("sumflow.on") == "kubernetes" or context is not None, context=context)


def declared_options(command: Command) -> Command:
    """Give a command what says which system is meant: it takes `profile`, `manifests`, `strimzi_manifest`, `image`."""
    for option in (
        click.option("--image", metavar="REF", help="SumFlow's image, if not the declared sumflow:VERSION."),
        click.option(
            "--strimzi-manifest",
            type=click.Path(path_type=Path, exists=True),
            metavar="FILE|DIR",
            help="Strimzi's install files, instead of fetching the pinned ones.",
        ),
        click.option(
            "--manifests",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            metavar="DIR",
            help="Read another directory k8s than the installed one.",
        ),
        click.option(
            "--profile",
            default="spec",
            show_default=True,
            metavar="NAME",
            help="spec, kraft (the choice for a new cluster) or dev.",
        ),
    ):
        command = option(command)
    return command


def options(profile: str, manifests: Path | None, strimzi_manifest: Path | None, image: str | None) -> Options:
    """Put the options together."""
    from sumflow.cluster.bringup import Options

    cache = load(CommandSettings).cache_dir
    return Options(profile, cache, manifests=manifests, strimzi_manifest=strimzi_manifest, image=image)


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    context.meta[f"sumflow.{parameter.name}"] = value
