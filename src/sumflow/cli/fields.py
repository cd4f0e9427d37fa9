"""The table of manifest fields: which are honoured, and why the others are not."""

from __future__ import annotations

import click

from sumflow.cli.output import Output, common_options, examples


@click.command(epilog=examples("sumflow fields", "sumflow fields --json"))
@common_options
def fields(output: Output) -> None:
    """Print which manifest fields are honoured, and why others are not."""
    from sumflow.topology import fields as table

    output.line(table.documentation())
