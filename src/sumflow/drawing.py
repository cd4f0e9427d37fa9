"""Pictures of a run as SVG: panels with seconds below each other, and lines in them. Values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 1200
LEFT: Final = 70
RIGHT: Final = 20
FOOT: Final = 40
"""Room below the last panel, in pixels, for its seconds."""
_KEY: Final = 120

Point = tuple[float, float]
"""Seconds from the beginning, and a value."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the picture with scales of its own; `top` and `height` in pixels."""

    top: int
    height: int
    end_s: float
    most: float

    @property
    def bottom(self) -> int:
        """Where it ends, in pixels."""
        return self.top + self.height

    def x(self, at_s: float) -> float:
        """Return where a moment is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(at_s / self.end_s, 1.0)

    def y(self, value: float) -> float:
        """Return where a value is; what is beyond the scale is at its end."""
        return self.top + self.height * (1 - min(value / self.most, 1.0))

    def line(self, points: Iterable[Point], colour: str) -> str:
        """Draw a line through points, as far as the seconds reach."""
        within = [point for point in points if point[0] <= self.end_s]
        path = " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in within)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'

    def frame(self, title: str) -> Iterator[str]:
        """Draw the axes, with the greatest value and its half."""
        yield text(LEFT, self.top - 8, title, 'class="title"')
        for value in (0.0, self.most / 2, self.most):
            y = self.y(value)
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
            yield text(LEFT - 8, y + 4, f"{value:,.0f}", 'text-anchor="end"')

    def seconds(self) -> Iterator[str]:
        """Write the seconds below."""
        for i in range(7):
            at_s = self.end_s * i / 6
            yield text(self.x(at_s), self.bottom + 18, f"{at_s:.0f} s", 'text-anchor="middle"')


def document(height: int, title: str, parts: Iterable[str]) -> str:
    """Return the picture: its title, and the parts in their order, the later above the earlier."""
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<style>text{font-size:12px;fill:#333}.title{font-size:13px;font-weight:bold}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(LEFT, 24, title, 'style="font-size:15px;font-weight:bold"'),
        *parts,
        "</svg>",
    )
    return "\n".join(lines) + "\n"


def key(y: float, names: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Say at the right what the colours mean: pairs of a name and its colour."""
    for i, (name, colour) in enumerate(names):
        yield text(WIDTH - _KEY * (len(names) - i), y, name, f'style="fill:{colour};font-weight:bold"')


def text(x: float, y: float, words: str, attributes: str) -> str:
    """Write words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(words)}</text>'


def rates(totals: Sequence[tuple[float, int]], end_s: float, bin_s: float) -> list[Point]:
    """Turn running totals into rates: of each bin, its middle in seconds and how many a second."""
    found, place, before = [], 0, 0
    for number in range(max(1, int(end_s / bin_s))):
        upto_s, after = (number + 1) * bin_s, before
        while place < len(totals) and totals[place][0] <= upto_s:
            after = max(after, totals[place][1])
            place += 1
        found.append((upto_s - bin_s / 2, (after - before) / bin_s))
        before = after
    return found


def round_up(value: float) -> float:
    """Return the next value that reads well on an axis."""
    scale = 10.0 ** max(len(str(int(value))) - 1, 0)
    return next((step * scale for step in (1, 2, 5, 10) if step * scale >= value), 10.0 * scale)
