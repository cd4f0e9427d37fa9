"""`sumflow add`: two numbers, or a file of them."""

from __future__ import annotations

from pathlib import Path

import click

from sumflow.cli import pipeline
from sumflow.cli.output import Output, common_options, data_dir_option, examples
from sumflow.client.endpoints import Endpoints
from sumflow.errors import UsageError

_COUNTED_WITHIN_S = 10.0


@click.command(
    # A negative number looks like an option; unknown options are therefore taken as numbers, and checked as such.
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "sumflow add 2 3",
        "sumflow add -5 3                              negative numbers as they are",
        "sumflow add 2 3 --total rent                  into the total `rent` instead of the one total",
        "sumflow add --file numbers.csv                one addition a line: `2,3`, `2;3`, `2 3`, or `2` alone",
        "sumflow add --file numbers.csv                the same again after an interruption: it goes on",
        "zcat numbers.csv.gz | sumflow add --file - --import-id march",
        "sumflow add 2 3 --json",
    ),
)
@click.argument("numbers", nargs=-1, metavar="[X Y]")
@click.option("--file", "-f", "file", type=click.Path(path_type=Path), metavar="FILE", help="Add a file; - is stdin.")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write every rejected line to FILE: line number, text, reason (replaces FILE).",
)
@click.option("--restart", is_flag=True, help="Begin the file anew, though an import of it was interrupted.")
@click.option(
    "--import-id",
    metavar="ID",
    help="Sending the same input again under the same ID, within a week and at whatever address, counts nothing twice.",
)
@click.option(
    "--give-up-after",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="How long to wait for an adder that is away.",
)
@pipeline.total_option
@click.option("--no-wait", is_flag=True, help="Do not wait until the total includes it.")
@pipeline.pipeline_options
@data_dir_option
@common_options
def add(
    numbers: tuple[str, ...],
    file: Path | None,
    rejects: Path | None,
    restart: bool,
    import_id: str | None,
    give_up_after: float,
    total: str,
    no_wait: bool,
    adder: str | None,
    totalizer: str | None,
    data_dir: Path,
    output: Output,
) -> int:
    """Add two numbers, or a file of them.

    Every addition that is accepted is counted once: a failed call is repeated under the same id. A file's import
    that was interrupted, in whatever way, goes on where it stood when the same command is given again. Exit code 1
    says that some lines were rejected; all others are counted. What is added with --total counts in that total only.
    """
    if file is None:
        pair = _pair(numbers)
        _only_with_file(rejects=rejects, restart=restart, import_id=import_id)
        return _add_pair(pipeline.find(data_dir, adder, totalizer), pair, total, output, wait=not no_wait)
    from sumflow.cli import importing

    if numbers:
        raise UsageError(f"both numbers and a file are given: {' '.join(numbers)}", remedy="give one of them")
    endpoints = pipeline.find(data_dir, adder, totalizer)
    # A data directory belongs to one system; imports into others are remembered beside it.
    journals = data_dir.with_name(f"{data_dir.name}-imports") if endpoints.system else data_dir / "imports"
    request = importing.Request(file, rejects, restart, import_id, give_up_after, journals, total)
    return importing.add_file(request, endpoints, output)


def _pair(texts: tuple[str, ...]) -> tuple[int, int]:
    from sumflow.client.numbers import parse_number

    for text in texts:
        if text.startswith("--"):
            raise UsageError(f"there is no option {text}", remedy="`sumflow add --help` lists the options")
    if len(texts) != 2:
        remedy = "give two, as in `sumflow add 2 3`, or a file, as in `sumflow add --file numbers.csv`"
        raise UsageError(f"{len(texts) or 'no'} {'number' if len(texts) == 1 else 'numbers'} given", remedy=remedy)
    return parse_number(texts[0]), parse_number(texts[1])


def _only_with_file(**given: object) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name.replace('_', '-')} belongs to --file")


def _add_pair(endpoints: Endpoints, pair: tuple[int, int], name: str, output: Output, *, wait: bool) -> int:
    from sumflow.client.adder import Adder

    x, y = pair
    with Adder(endpoints.adder, on_wait=lambda reason: output.note(f"waiting for the adder: {reason}")) as client:
        added = client.add(x, y, total=name)
    output.line(f"{x} + {y} = {added.sum}")
    total = _total_with(endpoints, added.position, name) if wait else None
    output.document({"x": x, "y": y, "sum": added.sum, "position": added.position, "name": name, "total": total})
    if total is not None:
        output.line(f"{pipeline.label(name)}   {total}")
    elif wait:
        output.note("accepted, and not in the total yet: `sumflow total` shows when it is")
    return 0


def _total_with(endpoints: Endpoints, position: str, name: str) -> int | None:
    """Return the total that includes a position; None if there is none soon: what is accepted stays accepted."""
    from sumflow.client.totals import Totals
    from sumflow.errors import SumflowError

    try:
        with Totals(endpoints.totalizer_url) as totals:
            return totals.including(position, _COUNTED_WITHIN_S, name)
    except SumflowError:
        return None
