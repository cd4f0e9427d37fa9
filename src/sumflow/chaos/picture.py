"""Draws a run as an SVG: additions acknowledged and counted a second, the lag, and the faults as bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final
from xml.sax.saxutils import escape

from sumflow.chaos.faults import Kind
from sumflow.chaos.verdict import Evidence, Happened

BIN_S: Final = 0.5
"""Rates are taken over so long."""
_WIDTH, _LEFT, _RIGHT = 1200, 70, 20
_LABELS, _RATES, _LAG, _GAP, _FOOT = 150, 240, 120, 36, 40
_TOP: Final = 46
_HEIGHT: Final = _TOP + _LABELS + _RATES + _GAP + _LAG + _FOOT
_LEAST_BAND: Final = 3
_PEAK: Final = 2
"""How much higher than the greatest rate of acknowledgements the scale reaches."""
_COLOURS: Final = {
    Kind.KILL: "#c0392b",
    Kind.FREEZE: "#2980b9",
    Kind.RESTART: "#d68910",
    Kind.CUT: "#8e44ad",
    Kind.STALL: "#5d6d7e",
    Kind.SLOW: "#16a085",
    Kind.DISK: "#7e5109",
}
_ACKNOWLEDGED: Final = "#1a5276"
_COUNTED: Final = "#e67e22"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Panel:
    """A part of the picture with scales of its own; `top` and `height` in pixels."""

    top: int
    height: int
    end_s: float
    most: float

    def x(self, at_s: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(at_s / self.end_s, 1.0)

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - min(value / self.most, 1.0))

    def line(self, points: Sequence[Point], colour: str) -> str:
        """Draw a line through points of seconds and values, as far as the seconds reach."""
        points = [point for point in points if point[0] <= self.end_s]
        path = " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'

    def frame(self, title: str) -> Iterator[str]:
        """Draw the axes, with the greatest value and its half."""
        yield _text(_LEFT, self.top - 8, title, 'class="title"')
        for value in (0.0, self.most / 2, self.most):
            y = self.y(value)
            yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
            yield _text(_LEFT - 8, y + 4, f"{value:,.0f}", 'text-anchor="end"')


def draw(evidence: Evidence, title: str) -> str:
    """Return the SVG of a run."""
    end_s = max(evidence.load_s, BIN_S)
    acknowledged = rates(_acknowledged(evidence), end_s)
    counted = rates([(s.at_s, s.counted) for s in evidence.samples if s.counted is not None], end_s)
    lag = [(s.at_s, max(s.acknowledged - s.counted, 0)) for s in evidence.samples if s.counted is not None]
    # What has piled up is counted in a moment; such a peak may leave the picture, the lag below shows what it was.
    most = _round_up(_PEAK * max(value for _, value in acknowledged))
    upper = _Panel(_TOP + _LABELS, _RATES, end_s, most)
    lower = _Panel(_TOP + _LABELS + _RATES + _GAP, _LAG, end_s, _round_up(max((value for _, value in lag), default=0)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
        "<style>text{font-size:12px;fill:#333}.title{font-size:13px;font-weight:bold}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 24, title, 'style="font-size:15px;font-weight:bold"'),
        *_bands(evidence.happened, upper, lower),
        *upper.frame("additions a second"),
        *lower.frame("lag: acknowledged, not in the total yet"),
        upper.line(acknowledged, _ACKNOWLEDGED),
        upper.line(counted, _COUNTED),
        lower.line(lag, _COUNTED),
        *_foot(lower),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def rates(totals: Sequence[tuple[float, int]], end_s: float) -> list[Point]:
    """Turn running totals into rates: of each bin, its middle in seconds and how many a second."""
    found, place, before = [], 0, 0
    for number in range(max(1, int(end_s / BIN_S))):
        upto_s, after = (number + 1) * BIN_S, before
        while place < len(totals) and totals[place][0] <= upto_s:
            after = max(after, totals[place][1])
            place += 1
        found.append((upto_s - BIN_S / 2, (after - before) / BIN_S))
        before = after
    return found


def _acknowledged(evidence: Evidence) -> list[tuple[float, int]]:
    """Return how many additions were acknowledged at each moment, of all clients together."""
    answers = sorted(pair for book in evidence.books for pair in zip(book.answered_s, book.sizes, strict=True))
    return list(zip((at for at, _ in answers), accumulate(size for _, size in answers), strict=True))


def _bands(happened: Sequence[Happened], upper: _Panel, lower: _Panel) -> Iterator[str]:
    """Draw each fault as a band over both panels, with its name above, slanted."""
    bottom = lower.top + lower.height
    for each in happened:
        if each.not_done:
            continue
        colour = _COLOURS[each.fault.kind]
        x, end = upper.x(each.began_s), upper.x(each.ended_s or each.began_s)
        width = max(end - x, _LEAST_BAND)
        size = f'width="{width:.1f}" height="{bottom - upper.top}"'
        yield f'<rect x="{x:.1f}" y="{upper.top}" {size} fill="{colour}" opacity="0.22"/>'
        place = f'style="fill:{colour}" transform="rotate(-58 {x + width / 2:.1f} {upper.top - 28})"'
        yield _text(x + width / 2, upper.top - 28, str(each.fault), place)


def _foot(lower: _Panel) -> Iterator[str]:
    """Draw the seconds and what the colours mean."""
    y = lower.top + lower.height + 18
    for i in range(7):
        at_s = lower.end_s * i / 6
        yield _text(lower.x(at_s), y, f"{at_s:.0f} s", 'text-anchor="middle"')
    for i, (what, colour) in enumerate((("acknowledged", _ACKNOWLEDGED), ("counted", _COUNTED))):
        yield _text(_WIDTH - 240 + 120 * i, 24, what, f'style="fill:{colour};font-weight:bold"')


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _round_up(value: float) -> float:
    """Return the next value that reads well on an axis."""
    scale = 10.0 ** max(len(str(int(value))) - 1, 0)
    return next((step * scale for step in (1, 2, 5, 10) if step * scale >= value), 10.0 * scale)
