"""`sumflow bench`: how fast it is on this machine, beside what the machine does without it in the same minutes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import click

from sumflow.cli import staging, units
from sumflow.cli.output import Output, common_options, examples

if TYPE_CHECKING:
    from sumflow.bench.figures import Pair, Spread, Summary
    from sumflow.bench.rounds import Measurement

_NAMES: Final = ("accept", "batches", "pipeline", "visible")
_DIGITS_BELOW: Final = 100.0
"""Smaller figures are shown with a decimal."""


@click.command(
    epilog=examples(
        "sumflow bench                                  five rounds of everything, about two minutes",
        "sumflow bench --only accept --rounds 9",
        "sumflow bench --profile spec --json | jq '.measurements[] | {name, ratio}'",
    )
)
@click.option("--profile", default="dev", show_default=True, metavar="NAME", help="dev, kraft or spec.")
@click.option(
    "--rounds", type=click.IntRange(1, 1_000), default=5, show_default=True, help="How often each thing is measured."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=3.0,
    show_default=True,
    help="How long the callers call in each round.",
)
@click.option(
    "--sums",
    type=click.IntRange(4_000, 10_000_000),
    default=200_000,
    show_default=True,
    help="How many sums each bulk round has, in whole batches: multiples of 4,000.",
)
@click.option("--only", type=click.Choice(_NAMES), multiple=True, help="Measure only this; may be given several times.")
@common_options
def bench(profile: str, rounds: int, seconds: float, sums: int, only: tuple[str, ...], output: Output) -> int:
    """Measure speed on this machine, each figure beside a yardstick in the same round.

    A yardstick is the same machine, and the same servers, without SumFlow: an empty gRPC server, COPY into PostgreSQL,
    Kafka there and back. Machines differ and are noisy; the ratio within a round is what says something. The
    system is one of the bench's own, removed at the end; yours is not touched.
    """
    from sumflow.bench import rounds as measuring
    from sumflow.bench.figures import Summary
    from sumflow.bench.on_machine import own_system

    told: list[dict[str, Any]] = []
    with ExitStack() as resources:
        with staging.reporter(output) as steps:
            system = resources.enter_context(own_system(profile, steps))
        effort = measuring.Effort(seconds, sums)
        for one in measuring.measurements(system, effort, resources):
            if only and one.name not in only:
                continue
            output.line(f"\n{one.name}: {one.ours_is}\n  beside: {one.yardstick_is}")
            pairs: list[Pair] = []
            for pair in one.rounds(rounds):
                pairs.append(pair)
                output.line(f"  {len(pairs):>4}  {_pair(one, pair)}")
            summary = Summary.of(pairs)
            output.line(f"  {_summary(one, summary)}")
            told.append(_document(one, pairs, summary))
    output.document({"profile": profile, "rounds": rounds, "measurements": told})
    return 0


def _pair(one: Measurement, pair: Pair) -> str:
    return f"{_figure(pair.ours)} {one.unit} beside {_figure(pair.yardstick)} {one.unit}: {pair.ratio:.2f} x"


def _summary(one: Measurement, summary: Summary) -> str:
    """Write the medians, with the least and the greatest in brackets."""
    ours, yardstick = (f"{_spread(each)} {one.unit}" for each in (summary.ours, summary.yardstick))
    ratio = summary.ratio
    return f"median {ours} beside {yardstick}: {ratio.median:.2f} x ({ratio.least:.2f} to {ratio.greatest:.2f})"


def _spread(spread: Spread) -> str:
    return f"{_figure(spread.median)} ({_figure(spread.least)} to {_figure(spread.greatest)})"


def _figure(value: float) -> str:
    return units.number(round(value)) if value >= _DIGITS_BELOW else f"{value:.1f}"


def _document(one: Measurement, pairs: list[Pair], summary: Summary) -> dict[str, Any]:
    return {
        "name": one.name,
        "unit": one.unit,
        "ours_is": one.ours_is,
        "yardstick_is": one.yardstick_is,
        "rounds": [{"ours": pair.ours, "yardstick": pair.yardstick, "ratio": pair.ratio} for pair in pairs],
    } | summary.document()
