"""Draws a run: sums a second, what waits in the queues, and the memory of each process, in phases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from sumflow.drawing import FOOT, Panel, Point, document, key, rates, round_up, text
from tests.limits.overload.flatness import Sample

BIN_S: Final = 3.0
"""Rates are taken over so long."""
_TOP, _GAP, _RATES, _QUEUES, _MEMORY = 96, 60, 180, 150, 260
_MIB: Final = 1 << 20
_COLOURS: Final = (
    "#1a5276",
    "#e67e22",
    "#27ae60",
    "#8e44ad",
    "#c0392b",
    "#16a085",
    "#7e5109",
    "#5d6d7e",
)
"""Of lines, in the order of their names; more lines take them anew."""
_SHADES: Final = ("#f4f6f7", "#fdf2e9", "#eaf2f8")


def draw(samples: Sequence[Sample], title: str) -> str:
    """Return the SVG of a run."""
    end_s = max(samples[-1].at_s, BIN_S)
    flow = {
        "accepted": rates([(s.at_s, s.accepted) for s in samples], end_s, BIN_S),
        "counted": rates([(s.at_s, s.counted) for s in samples], end_s, BIN_S),
    }
    queues = {name: [(s.at_s, s.queues[name]) for s in samples] for name in samples[0].queues}
    memory = {name: [(s.at_s, s.memory[name] / _MIB) for s in samples] for name in samples[0].memory}
    tops = (_TOP, _TOP + _RATES + _GAP, _TOP + _RATES + _QUEUES + 2 * _GAP)
    panels = (
        (_panel(tops[0], _RATES, end_s, flow), "sums a second", flow),
        (_panel(tops[1], _QUEUES, end_s, queues), "sums that wait in front of each service", queues),
        (_panel(tops[2], _MEMORY, end_s, memory), "memory of each process, MiB", memory),
    )
    last = panels[-1][0]
    parts = [*_phases(samples, panels[0][0], last.bottom)]
    for panel, name, lines in panels:
        parts += [*panel.frame(name), *key(panel.top - 8, list(zip(lines, _colours(), strict=False)))]
        parts += [panel.line(points, colour) for points, colour in zip(lines.values(), _colours(), strict=False)]
    return document(last.bottom + FOOT, title, [*parts, *last.seconds()])


def _colours() -> Iterator[str]:
    while True:
        yield from _COLOURS


def _panel(top: int, height: int, end_s: float, lines: dict[str, list[Point]]) -> Panel:
    return Panel(top, height, end_s, round_up(max(value for points in lines.values() for _, value in points)))


def _phases(samples: Sequence[Sample], first: Panel, bottom: int) -> Iterator[str]:
    """Draw each phase as a ground behind all panels, with its name above."""
    for i, (phase, within) in enumerate(groupby(samples, lambda sample: sample.phase)):
        *_, last = seen = list(within)
        x, end = first.x(seen[0].at_s), first.x(last.at_s)
        shade = _SHADES[i % len(_SHADES)]
        size = f'width="{end - x:.1f}" height="{bottom - first.top + 36}"'
        yield f'<rect x="{x:.1f}" y="{first.top - 36}" {size} fill="{shade}"/>'
        yield text((x + end) / 2, first.top - 40, phase, 'text-anchor="middle"')
