"""Simulated time, chance and identities: what the code does not decide in a history comes out of its seed."""

from __future__ import annotations

from random import Random
from typing import Final
from uuid import UUID


class Clock:
    """Simulated time, and identities that come out of the seed."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.random = Random(0)  # noqa: S311 - chance that can be repeated is the point

    def monotonic(self) -> float:
        """Return the time."""
        return self.now_s

    def uuid4(self) -> UUID:
        """Return a new identity."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def uniform(self, least: float, most: float) -> float:
        """Return a number in between."""
        return self.random.uniform(least, most)


CLOCK: Final = Clock()
