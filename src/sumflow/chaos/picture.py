"""Draws a run as an SVG: additions acknowledged and counted a second, the lag, and the faults as bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from sumflow.chaos.faults import Kind
from sumflow.chaos.verdict import Evidence, Happened
from sumflow.drawing import FOOT, Panel, document, key, rates, round_up, text

BIN_S: Final = 0.5
"""Rates are taken over so long."""
_LABELS, _RATES, _LAG, _GAP = 150, 240, 120, 36
_TOP: Final = 46
_HEIGHT: Final = _TOP + _LABELS + _RATES + _GAP + _LAG + FOOT
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


def draw(evidence: Evidence, title: str) -> str:
    """Return the SVG of a run."""
    end_s = max(evidence.load_s, BIN_S)
    acknowledged = rates(_acknowledged(evidence), end_s, BIN_S)
    counted = rates([(s.at_s, s.counted) for s in evidence.samples if s.counted is not None], end_s, BIN_S)
    lag = [(s.at_s, max(s.acknowledged - s.counted, 0)) for s in evidence.samples if s.counted is not None]
    # What has piled up is counted in a moment; such a peak may leave the picture, the lag below shows what it was.
    most = round_up(_PEAK * max(value for _, value in acknowledged))
    upper = Panel(_TOP + _LABELS, _RATES, end_s, most)
    lower = Panel(_TOP + _LABELS + _RATES + _GAP, _LAG, end_s, round_up(max((value for _, value in lag), default=0)))
    parts = [
        *_bands(evidence.happened, upper, lower),
        *upper.frame("additions a second"),
        *lower.frame("lag: acknowledged, not in the total yet"),
        upper.line(acknowledged, _ACKNOWLEDGED),
        upper.line(counted, _COUNTED),
        lower.line(lag, _COUNTED),
        *lower.seconds(),
        *key(24, (("acknowledged", _ACKNOWLEDGED), ("counted", _COUNTED))),
    ]
    return document(_HEIGHT, title, parts)


def _acknowledged(evidence: Evidence) -> list[tuple[float, int]]:
    """Return how many additions were acknowledged at each moment, of all clients together."""
    answers = sorted(pair for book in evidence.books for pair in zip(book.answered_s, book.sizes, strict=True))
    return list(zip((at for at, _ in answers), accumulate(size for _, size in answers), strict=True))


def _bands(happened: Sequence[Happened], upper: Panel, lower: Panel) -> Iterator[str]:
    """Draw each fault as a band over both panels, with its name above, slanted."""
    for each in happened:
        if each.not_done:
            continue
        colour = _COLOURS[each.fault.kind]
        x, end = upper.x(each.began_s), upper.x(each.ended_s or each.began_s)
        width = max(end - x, _LEAST_BAND)
        size = f'width="{width:.1f}" height="{lower.bottom - upper.top}"'
        yield f'<rect x="{x:.1f}" y="{upper.top}" {size} fill="{colour}" opacity="0.22"/>'
        place = f'style="fill:{colour}" transform="rotate(-58 {x + width / 2:.1f} {upper.top - 28})"'
        yield text(x + width / 2, upper.top - 28, str(each.fault), place)
