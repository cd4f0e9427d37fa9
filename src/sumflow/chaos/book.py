"""What clients know: of their additions, what was acknowledged and when, and what nobody can know; of the total, what
they saw. Pure.

Every addition adds exactly 1, so that totals count additions; its x is used for no other, so that the outbox tells
which of them it has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Final

ROOM: Final = 1 << 32
"""How many additions one client may make."""


@dataclass(slots=True)
class Book:
    """What one client knows; written by its own thread, read by others.

    Args:
        client: its name.
        first: the x of its first addition; the next ones are first + 1, and so on.
    """

    client: str
    first: int
    sent: int = 0
    acknowledged: int = 0
    uncertain: set[int] = field(default_factory=set)
    """The x of additions without a request id that were not answered: stored or not."""
    wrong: list[str] = field(default_factory=list)
    """Answers that must never be given."""
    began_s: list[float] = field(default_factory=list)
    """When each acknowledged request was first sent, ascending."""
    answered_s: list[float] = field(default_factory=list)
    """When it was acknowledged, ascending."""
    sizes: list[int] = field(default_factory=list)
    """How many additions it was."""

    def take(self, count: int) -> range:
        """Return the x of so many additions that are to be sent now."""
        numbers = range(self.first + self.sent, self.first + self.sent + count)
        self.sent += count
        return numbers

    def acknowledge(self, began_s: float, answered_s: float, count: int) -> None:
        """Note an acknowledgement."""
        self.began_s.append(began_s)
        self.sizes.append(count)
        self.answered_s.append(answered_s)
        self.acknowledged += count

    def known(self) -> Iterator[int]:
        """Yield the x of every acknowledged addition, once the client has ended."""
        return (x for x in range(self.first, self.first + self.sent) if x not in self.uncertain)

    def answered_after(self, moment_s: float) -> float | None:
        """Return when the first request that was begun after a moment was acknowledged; None if none was yet."""
        place = bisect_left(self.began_s, moment_s)
        return self.answered_s[place] if place < len(self.answered_s) else None


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    Args:
        at_s: when the answer came, in seconds from the beginning of the load.
        acknowledged: additions acknowledged before it was asked for.
        counted: additions that the total had more than at the beginning; None where there was no answer.
    """

    at_s: float
    acknowledged: int
    counted: int | None


def accepted_again(books: Iterable[Book], moment_s: float) -> float | None:
    """Return when every client had an acknowledgement of something it began after a moment; None if one has not yet."""
    answered = [book.answered_after(moment_s) for book in books]
    known = [at for at in answered if at is not None]
    return max(known, default=moment_s) if len(known) == len(answered) else None


def longest_gap(books: Iterable[Book], until_s: float) -> float:
    """Return the longest time without any acknowledgement, from the first one on, in seconds."""
    moments = sorted(at for book in books for at in book.answered_s)
    return max((after - before for before, after in pairwise([*moments, until_s])), default=until_s)


def counted_again(samples: Sequence[Sample], moment_s: float, wanted: int) -> float | None:
    """Return when the total, after a moment, first included so many additions; None if it does not yet."""
    later = islice(samples, bisect_right(samples, moment_s, key=lambda sample: sample.at_s), None)
    return next((each.at_s for each in later if each.counted is not None and each.counted >= wanted), None)
