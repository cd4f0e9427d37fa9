"""`sumflow secrets rotate`: other passwords for the databases of a cluster."""

from __future__ import annotations

import click

from sumflow.cli import clusters
from sumflow.cli.output import Output, common_options, examples


@click.group(epilog=examples("sumflow secrets rotate", "sumflow secrets rotate --context prod"))
def secrets() -> None:
    """Look after the passwords of a cluster's databases."""


@secrets.command(epilog=examples("sumflow secrets rotate", "sumflow secrets rotate --context prod"))
@clusters.context_option
@common_options
def rotate(context: str | None, output: Output) -> int:
    """Give every database another password, and let the services follow.

    No accepted sum is lost: pods are replaced one by one, each when the next is ready. Interrupted, the same command
    mends it.
    """
    from sumflow.cli import staging
    from sumflow.cluster import deployed, rotation

    cluster = clusters.connect(context)
    with staging.reporter(output) as reporter:
        changed = rotation.rotate(cluster, deployed.declared(cluster), reporter)
    output.document({"rotated": [str(ref) for ref in changed], "context": cluster.context})
    for ref in changed:
        output.line(f"{ref} has another password")
    return 0
