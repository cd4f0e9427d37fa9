"""The table of manifest fields: which are honoured, and why the others are not."""

from __future__ import annotations

import click

from sumflow.cli.output import Output, common_options, examples


@click.command(epilog=examples("sumflow fields", "sumflow fields --json | jq '.[] | select(.honoured | not)'"))
@common_options
def fields(output: Output) -> None:
    """Print which manifest fields one machine honours, and why others are not.

    A field that is not in the table is refused, with the file and the line.
    """
    from sumflow.topology import field_table
    from sumflow.topology import fields as table

    output.line(table.documentation().rstrip("\n"))
    output.document(
        [
            {
                "kind": kind.name,
                "api_version": kind.api_version,
                "field": path,
                "honoured": rule.honoured,
                "how": rule.how,
            }
            for kind in field_table.KINDS
            for path, rule in kind.fields.items()
        ]
    )
