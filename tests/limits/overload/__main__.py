"""An hour's sums twice, by hand: the first faster than they can be taken, the second while nothing can be counted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sumflow import steps
from sumflow.interruption import interruptible
from tests.limits.overload.picture import draw
from tests.limits.overload.run import JUDGED, Result, run

_MIB = 1 << 20


def main() -> int:
    """Read the arguments and run; return 1 if memory was not flat, or a sum was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.limits.overload", description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000, help="sums a second whose hour is offered")
    parser.add_argument("--sums", type=int, help="offer so many in each phase instead of an hour's")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the run as SVG")
    given = parser.parse_args()
    sums = given.sums or 3_600 * given.rate
    with interruptible():
        result = run(sums, steps.Silent())
    for line in told(result):
        sys.stdout.write(f"{line}\n")
    if given.plot:
        title = f"{result.accepted:,} sums, offered faster than they can be taken: {', then '.join(JUDGED)}"
        given.plot.write_text(draw(result.samples, title), encoding="utf-8")
    return 1 if result.problems else 0


def told(result: Result) -> list[str]:
    """Write a result for a person."""
    seconds = result.samples[-1].at_s
    sums = f"{result.accepted:,} accepted, {result.counted:,} counted, {seconds:.0f} s"
    lines = [
        f"{sums}; {result.sent_away:,} times a single call found the queue full and came again",
        f"{'phase':16}{'process':24}{'first quarter':>16}{'last quarter':>16}{'per million sums':>20}",
    ]
    for one in result.growths:
        figures = f"{one.first / _MIB:12.1f} MiB{one.last / _MIB:12.1f} MiB{one.per_million / _MIB:16.2f} MiB"
        lines.append(f"{one.phase:16}{one.component:24}{figures}{'' if one.is_flat else '  GROWS'}")
    return [*lines, *result.problems, "not flat, or not exact" if result.problems else "flat and exact"]


if __name__ == "__main__":
    sys.exit(main())
