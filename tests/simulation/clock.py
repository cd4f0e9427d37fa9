"""Simulated time, chance and identities: what the code does not decide in a history comes out of its seed."""

from __future__ import annotations

from random import Random
from typing import Final
from uuid import UUID

IDENTITIES_LIMIT: Final = 1_000
"""More than a history needs, and few enough for what the real code remembers of each."""
_MADE: Final = Random(0)  # noqa: S311 - chance that can be repeated is the point


class Identity(UUID):
    """A UUID of which there is one object only, so that comparing, hashing and writing it costs next to nothing."""

    __slots__ = ("_text",)
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __init__(self, number: int) -> None:
        super().__init__(int=number, version=4)
        object.__setattr__(self, "_text", super().__str__())  # a UUID's own way past its own lock

    def __str__(self) -> str:
        return self._text  # type: ignore[attr-defined, no-any-return]


class Clock:
    """Simulated time, and identities that come out of the seed."""

    def __init__(self) -> None:
        self._identities = [Identity(_MADE.getrandbits(128)) for _ in range(IDENTITIES_LIMIT)]
        self.identity_of_bytes = {identity.bytes: identity for identity in self._identities}
        self._identity_of_text = {str(identity): identity for identity in self._identities}
        self.start(_MADE)

    def start(self, random: Random) -> None:
        """Begin a history, whose chance decides everything."""
        self.now_s, self.random = 0.0, random
        self._next = int(random.random() * IDENTITIES_LIMIT)

    def monotonic(self) -> float:
        """Return the time."""
        return self.now_s

    def uuid4(self) -> UUID:
        """Return an identity that is new in this history."""
        self._next = (self._next + 1) % IDENTITIES_LIMIT
        return self._identities[self._next]

    def read_uuid(self, text: str) -> UUID:
        """Return the identity of a text; what is none of ours is a UUID like others."""
        return self._identity_of_text.get(text) or UUID(text)

    def uniform(self, least: float, most: float) -> float:
        """Return a number in between."""
        return self.random.uniform(least, most)


CLOCK: Final = Clock()
