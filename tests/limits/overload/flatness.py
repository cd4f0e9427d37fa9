"""Whether memory is flat: the rule, and the figures behind it. Values only.

A phase's last quarter is held against its first, by their medians, so that a garbage collector's saw-tooth counts for
nothing. What may grow is a tenth of what a process takes, or 16 MiB: an hour's sums that each left five bytes behind
would be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, median
from typing import Final

MAY_GROW_BY_SHARE: Final = 0.10
MAY_GROW_BY_BYTES: Final = 16 << 20
_QUARTERS: Final = 4
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment.

    Args:
        at_s: seconds since the beginning.
        phase: what was going on.
        accepted: sums acknowledged so far, by the clients' own count.
        counted: sums in the total.
        memory: bytes of each component's processes.
        queues: how much waits in each queue.
    """

    at_s: float
    phase: str
    accepted: int
    counted: int
    memory: dict[str, int] = field(default_factory=dict)
    queues: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Growth:
    """One component's memory over one phase; in bytes.

    Args:
        component: whose.
        phase: when.
        first: the median of the phase's first quarter.
        last: that of its last.
        per_million: the fitted growth over the phase, for a million of its sums.
    """

    component: str
    phase: str
    first: float
    last: float
    per_million: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than the rule allows."""
        return self.last - self.first <= max(MAY_GROW_BY_SHARE * self.first, MAY_GROW_BY_BYTES)


def growths(samples: Sequence[Sample], phase: str) -> list[Growth]:
    """Return each component's growth over a phase; raise ValueError if it was too short to have quarters."""
    seen = [sample for sample in samples if sample.phase == phase]
    if len(seen) < 2 * _QUARTERS:
        raise ValueError(f"{len(seen)} samples of the phase {phase!r} have no quarters")
    return [_growth(seen, component) for component in seen[0].memory]


def _growth(seen: Sequence[Sample], component: str) -> Growth:
    memory = [sample.memory[component] for sample in seen]
    quarter = len(memory) // _QUARTERS
    slope, _ = linear_regression([sample.at_s for sample in seen], memory)
    millions = (seen[-1].accepted - seen[0].accepted) / _MILLION
    per_million = slope * (seen[-1].at_s - seen[0].at_s) / millions if millions else 0.0
    return Growth(component, seen[0].phase, median(memory[:quarter]), median(memory[-quarter:]), per_million)
