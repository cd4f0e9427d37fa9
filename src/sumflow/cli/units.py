"""Figures as people read them; pure, so that every width and rounding is tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TIME_SCALES: Final = ((86_400, 3_600, "d", "h"), (3_600, 60, "h", "min"), (60, 1, "min", "s"), (1, 1, "s", "s"))


def size(count_bytes: float) -> str:
    """Write a size in bytes: 512 B, 12.3 KiB, 370 MiB, 1.2 GiB."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if count_bytes < 1023.5:
            break
        count_bytes, unit = count_bytes / 1024, larger
    return f"{count_bytes:.0f} {unit}" if unit == "B" or count_bytes >= 99.95 else f"{count_bytes:.1f} {unit}"


def duration(seconds: float) -> str:
    """Write a time span with its two largest units: 0.25 s, 12.3 s, 4 min 5 s, 3 h 20 min, 2 d 5 h."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    large, small, large_unit, small_unit = next(scale for scale in _TIME_SCALES if whole >= scale[0])
    return f"{whole // large} {large_unit} {whole % large // small} {small_unit}"


def number(value: int) -> str:
    """Write an integer with its thousands apart."""
    return f"{value:,}"


def rate(count: int, seconds: float) -> str:
    """Write how many a second."""
    return f"{count / max(seconds, 1e-3):,.0f}/s"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Align columns of plain text, two spaces apart; the columns named in `right` stand flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
