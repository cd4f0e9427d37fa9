"""How long to wait before the next attempt at something that is away: longer each time, never long, never in step."""

from __future__ import annotations

import random
from typing import Final

FIRST_S: Final = 0.05
LONGEST_S: Final = 2.0


class Backoff:
    """Waiting times in seconds; half of each is chance, so that many processes do not come back at the same moment."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def next_s(self) -> float:
        """Return how long to wait now."""
        delay_s, self._next_s = self._next_s, min(self._next_s * 2, LONGEST_S)
        return delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads attempts, guards nothing

    def reset(self) -> None:
        """Begin anew: the attempt succeeded."""
        self._next_s = FIRST_S
