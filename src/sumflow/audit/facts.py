"""What an audit looks at: both sides' books as values, read at a cut at which they can be compared.

The order of reading makes the cut consistent: first how far lanes are published, then where the topic ends, then the
totalizer in one snapshot, last the adder in one snapshot. So whatever the totalizer counted is within the adder's, and
where the totalizer has read to the topic's end, whatever was published before is within the totalizer's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from sumflow.audit.findings import Report
from sumflow.sums.totals import Tallies, Tally

_NOTHING: Final = Tally()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A lane as the adder has it: `count` and `sum` of its events 1 to `last_seq`."""

    number: int
    last_seq: int
    published_seq: int
    count: int
    sum: int
    partition: int | None
    older_than_outbox: bool = False
    """The lane was opened before the oldest day that the outbox keeps: its first events may be gone, rightly."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A lane as the totalizer has it: `count` and `sum` of its events 1 to `mark`, and the rows parked beyond."""

    mark: int
    count: int
    sum: int
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Parked:
    """The rows of one lane that wait behind a gap."""

    count: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition of the topic holds: offsets from `first` up to but not including `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of a lane that could not be read as an event."""

    lane: UUID
    seq: int
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Both sides, at a cut.

    Args:
        published: how far each lane was published before anything else was read.
        topic_id: the topic's identity, read after that; None where nobody asked.
        extents: what the topic's partitions hold, read after that.
        next_offsets: what of each partition the totalizer had read.
        topics_read: the identities of the topics that it read.
        counted: the totalizer's lanes.
        parked: what the totalizer has parked, by lane.
        dead_letters: dead letters of lanes that may hold their lane up.
        dead_letter_count: all dead letters.
        foreign: what events without a lane brought.
        total: the one total, of what has no name.
        accepted: the adder's lanes.
        tails: of lanes that are not counted to the end, the outbox's events beyond the mark.
        later_ends: where partitions end, read last of all; only if the totalizer has read beyond what `extents` says.
        accepted_totals: what the adder's lanes have under each name.
        tail_totals: what of it is beyond the marks.
        counted_totals: the totalizer's named totals.
        foreign_totals: what events without a lane brought to them.
    """

    published: Mapping[UUID, int] = field(default_factory=dict)
    topic_id: UUID | None = None
    extents: Mapping[int, Extent] = field(default_factory=dict)
    next_offsets: Mapping[int, int] = field(default_factory=dict)
    topics_read: frozenset[UUID] = frozenset()
    counted: Mapping[UUID, Counted] = field(default_factory=dict)
    parked: Mapping[UUID, Parked] = field(default_factory=dict)
    dead_letters: Sequence[DeadLetter] = ()
    dead_letter_count: int = 0
    foreign: Tally = _NOTHING
    total: Tally = _NOTHING
    accepted: Mapping[UUID, Accepted] = field(default_factory=dict)
    tails: Mapping[UUID, Tally] = field(default_factory=dict)
    later_ends: Mapping[int, int] = field(default_factory=dict)
    accepted_totals: Tallies = field(default_factory=dict)
    tail_totals: Tallies = field(default_factory=dict)
    counted_totals: Tallies = field(default_factory=dict)
    foreign_totals: Tallies = field(default_factory=dict)


class Books(Protocol):
    """Where a system's books are."""

    @property
    def adder(self) -> str:
        """The connection string of the adder's database."""

    @property
    def totalizer(self) -> str:
        """That of the totalizer's."""

    @property
    def topic(self) -> str:
        """The topic between them."""

    @property
    def extents(self) -> Callable[[], Mapping[int, Extent]]:
        """Asks the brokers what the topic's partitions hold."""

    @property
    def identity(self) -> Callable[[], UUID]:
        """Asks them for the topic's id."""

    def cut(self) -> Cut:
        """Read both sides at a cut; raise SumflowError if one cannot be read."""

    def deep(self, progress: Callable[[int], None]) -> Report:
        """Compare event by event: outbox, topic and what the totalizer keeps of each.

        Args:
            progress: hears how many records of the topic have been compared.
        """

    def occurrences(self, first: int, last: int) -> Mapping[int, int]:
        """Return how often each x within bounds is in the outbox; those that are not there are left out."""


Opened = AbstractContextManager[Books]
