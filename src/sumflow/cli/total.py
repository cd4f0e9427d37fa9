"""`sumflow total`: the total, once or as it moves."""

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
from sumflow.errors import SumflowError

_RETRY_PAUSE_S: Final = 1.0


@click.command(epilog=examples("sumflow total", "sumflow total --watch", "sumflow total --watch --json | jq .total"))
@click.option("--watch", "-w", is_flag=True, help="Show each change until Ctrl-C (with --json: one document a line).")
@pipeline.pipeline_options
@data_dir_option
@common_options
def total(watch: bool, adder: str | None, totalizer: str | None, data_dir: Path, output: Output) -> int:
    """Print the total: an exact integer of any size."""
    # The adder is not spoken to; naming the totalizer is enough.
    endpoints = pipeline.find(data_dir, adder or (totalizer and "127.0.0.1:50051"), totalizer)
    with Totals(endpoints.totalizer_url) as totals:
        if watch:
            _watch(totals, output)
        value = totals.total()
    output.line(str(value))
    output.document({"total": value})
    return 0


def _watch(totals: Totals, output: Output) -> None:
    """Show each state until Ctrl-C; a totalizer that goes away is waited for after the first answer."""
    redraw = is_terminal(sys.stdout) and not output.as_json
    for moved in _states(totals, output):
        output.document({"total": moved.total, "count": moved.count, "problem": moved.problem})
        text = f"{moved.total}   {moved.count:,} additions" + (f"   {moved.problem}" if moved.problem else "")
        if redraw:
            click.echo(f"\r\x1b[K{text}", nl=False)
        else:
            output.line(text)
        sys.stdout.flush()


def _states(totals: Totals, output: Output) -> Iterator[Moved]:
    seen = False
    while True:
        try:
            for moved in totals.stream():
                seen = True
                yield moved
        except SumflowError as error:
            if not seen:
                raise
            output.note(f"\nwaiting for the totalizer: {error.why or error.what}")
        time.sleep(_RETRY_PAUSE_S)
