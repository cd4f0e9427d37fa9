"""Records as Kafka would deliver them, made without Kafka, and the same for producing to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import msgspec

from sumflow.sums.event import LANE_HEADER, SEQ_HEADER, TOTAL_HEADER, LaneEncoder
from sumflow.totalizer.records import Headers

CREATED_AT = "2026-01-02T03:04:05.678901Z"


@dataclass
class FakeRecord:
    """A record with the methods of the Kafka client's message."""

    place: tuple[int, int]
    held_value: bytes | None
    held_headers: Headers | None = None
    held_key: bytes | None = None

    def partition(self) -> int:
        """Return the partition's number."""
        return self.place[0]

    def offset(self) -> int:
        """Return the record's offset."""
        return self.place[1]

    def key(self) -> bytes | None:
        """Return the key."""
        return self.held_key

    def value(self) -> bytes | None:
        """Return the value."""
        return self.held_value

    def headers(self) -> Headers | None:
        """Return the headers."""
        return self.held_headers


@dataclass
class Lane:
    """Makes the records of one lane."""

    lane: UUID = field(default_factory=uuid4)

    def headers(self, seq: int) -> Headers:
        """Return the headers of the seq-th event."""
        return [(LANE_HEADER, str(self.lane).encode()), (SEQ_HEADER, b"%d" % seq)]

    def value(self, seq: int, x: int, y: int, created_at: str = CREATED_AT) -> bytes:
        """Return the seq-th event's JSON."""
        return LaneEncoder(self.lane).encode(seq, x, y, created_at, CREATED_AT)

    def record(self, seq: int, x: int = 1, y: int = 0, place: tuple[int, int] = (0, 0)) -> FakeRecord:
        """Return the seq-th event's record."""
        return FakeRecord(place, self.value(seq, x, y), self.headers(seq))


def foreign_value(event_id: UUID | str, x: int, y: int, **changes: Any) -> bytes:
    """Return the JSON of an event as another producer of the contract writes it."""
    event = {
        "event_id": str(event_id),
        "aggregate_type": "sum",
        "aggregate_id": "calculator-7",
        "event_type": "sum.calculated",
        "payload": {"x": x, "y": y, "result": x + y},
        "created_at": CREATED_AT,
        "published_at": CREATED_AT,
    }
    return msgspec.json.encode(event | changes)


def named(lane: Lane, seq: int, name: str, x: int = 1, place: tuple[int, int] = (0, 0)) -> FakeRecord:
    """Return the record of an event that names a total."""
    headers = [*lane.headers(seq), (TOTAL_HEADER, name.encode())]
    return FakeRecord(place, lane.value(seq, x, 0), headers)


def foreign(event_id: UUID, name: str, x: int, offset: int) -> FakeRecord:
    """Return the record of an event without a lane that names a total."""
    return FakeRecord((2, offset), foreign_value(event_id, x, 0), [(TOTAL_HEADER, name.encode())])
