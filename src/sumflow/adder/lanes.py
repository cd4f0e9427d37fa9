"""A lane as its publisher knows it: what is sent, what is acknowledged, and up to where without a gap. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from sumflow.sums.event import LaneEncoder


class Prefix:
    """The contiguous part of what is acknowledged: acknowledgements come in any order, and only this may be recorded.

    Args:
        end: the last seq that is known to be acknowledged with everything before it.
    """

    __slots__ = ("_ahead", "end")

    def __init__(self, end: int) -> None:
        self.end = end
        self._ahead: set[int] = set()

    def add(self, seq: int) -> None:
        """Take one acknowledgement."""
        if seq == self.end + 1:
            self.end = seq
            while self._ahead and self.end + 1 in self._ahead:
                self.end += 1
                self._ahead.remove(self.end)
        elif seq > self.end:
            self._ahead.add(seq)


@dataclass(slots=True, eq=False)
class Claim:
    """A lane that this relay publishes, and nobody else.

    Args:
        number: the lane's short name in the database.
        lane: its identity in events.
        partition: where all of its events go.
        published_seq: what the database says of it.
    """

    number: int
    lane: UUID
    partition: int
    published_seq: int
    sent_seq: int = field(init=False)
    acknowledged: Prefix = field(init=False)
    encoder: LaneEncoder = field(init=False)
    closed: bool = False
    problem: str | None = None
    """Why the lane cannot be published any further; a person has to look."""

    def __post_init__(self) -> None:
        self.sent_seq = self.published_seq
        self.acknowledged = Prefix(self.published_seq)
        self.encoder = LaneEncoder(self.lane)
