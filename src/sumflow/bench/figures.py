"""What was measured, and what is said of it: rates and times in pairs, ours beside a yardstick's of the same round.

On a machine that is noisy, or another one, the absolute figures mean little; their ratio within one round means much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """One round of one measurement; both numbers in the measurement's unit."""

    ours: float
    yardstick: float

    @property
    def ratio(self) -> float:
        """Ours as a multiple of the yardstick."""
        return self.ours / self.yardstick


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some numbers, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Spread:
        """Sum numbers up; raise ValueError if there are none."""
        known = sorted(numbers)
        if not known:
            raise ValueError("nothing was measured")
        return cls(median(known), known[0], known[-1])


@dataclass(frozen=True, slots=True)
class Summary:
    """All rounds of one measurement."""

    ours: Spread
    yardstick: Spread
    ratio: Spread

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Summary:
        """Sum rounds up; the ratio is taken within each round and only then summed up."""
        return cls(
            Spread.of(pair.ours for pair in pairs),
            Spread.of(pair.yardstick for pair in pairs),
            Spread.of(pair.ratio for pair in pairs),
        )

    def document(self) -> dict[str, Any]:
        """Return the summary for a program."""
        return {name: _document(getattr(self, name)) for name in ("ours", "yardstick", "ratio")}


def percentile(sorted_numbers: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of numbers in ascending order; `share` is 0.99 for the 99th."""
    rank = max(1, -(-len(sorted_numbers) * round(share * 10_000) // 10_000))
    return sorted_numbers[rank - 1]


def _document(spread: Spread) -> dict[str, float]:
    return {"median": spread.median, "least": spread.least, "greatest": spread.greatest}
