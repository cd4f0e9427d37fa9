"""`sumflow total`: the total, or one of the named ones, once or as it moves; and the list of those."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from sumflow.cli import pipeline
from sumflow.cli.output import Output, common_options, data_dir_option, examples, is_terminal
from sumflow.client.totals import Moved, Totals
from sumflow.errors import SumflowError, UsageError

_RETRY_PAUSE_S: Final = 1.0


@click.command(
    epilog=examples(
        "sumflow total",
        "sumflow total rent                    the total of that name",
        "sumflow total --watch",
        "sumflow total --list                  every named total, by name",
        "sumflow total --watch --json | jq .total",
    )
)
@click.argument("name", required=False, callback=pipeline.as_name, metavar="[NAME]")
@click.option("--list", "-l", "listing", is_flag=True, help="List the named totals (with --json: one document a line).")
@click.option("--watch", "-w", is_flag=True, help="Show each change until Ctrl-C (with --json: one document a line).")
@pipeline.pipeline_options
@data_dir_option
@common_options
def total(
    name: str,
    listing: bool,
    watch: bool,
    adder: str | None,
    totalizer: str | None,
    data_dir: Path,
    output: Output,
) -> int:
    """Print the total, or the one of a name: an exact integer of any size.

    The total without a name is that of all additions without one; what names a total counts in that total only.
    """
    if listing and (name or watch):
        raise UsageError("--list stands alone", remedy="`sumflow total NAME --watch` follows one of the listed totals")
    # The adder is not spoken to; naming the totalizer is enough.
    endpoints = pipeline.find(data_dir, adder or (totalizer and "127.0.0.1:50051"), totalizer)
    with Totals(endpoints.totalizer_url) as totals:
        if listing:
            return _list(totals, output)
        if watch:
            _watch(totals, name, output)
        value = totals.total(name)
    output.line(str(value))
    output.document({"name": name, "total": value})
    return 0


def _list(totals: Totals, output: Output) -> int:
    """Print each named total as it is read, page by page: a list of any length begins at once."""
    for name, tally in totals.named():
        output.line(f"{tally.sum:>20}  {name}")
        output.document({"name": name, "total": tally.sum, "count": tally.count})
    return 0


def _watch(totals: Totals, name: str, output: Output) -> None:
    """Show each state until Ctrl-C; a totalizer that goes away is waited for after the first answer."""
    redraw = is_terminal(sys.stdout) and not output.as_json
    for moved in _states(totals, name, output):
        output.document({"name": name, "total": moved.total, "count": moved.count, "problem": moved.problem})
        text = f"{moved.total}   {moved.count:,} additions" + (f"   {moved.problem}" if moved.problem else "")
        if redraw:
            click.echo(f"\r\x1b[K{text}", nl=False)
        else:
            output.line(text)
        sys.stdout.flush()


def _states(totals: Totals, name: str, output: Output) -> Iterator[Moved]:
    seen = False
    while True:
        try:
            for moved in totals.stream(name):
                seen = True
                yield moved
        except SumflowError as error:
            if not seen:
                raise
            output.note(f"\nwaiting for the totalizer: {error.why or error.what}")
        time.sleep(_RETRY_PAUSE_S)
