"""The event on the topic `sums`, its record headers, and its identity.

The JSON is the original contract's; lane, seq, the total's name and trace context travel in headers so that a plain
consumer is not disturbed. An event of a lane is identified by (lane, seq), so its event_id is derived from them, not
stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from sumflow.sums.numbers import is_int64

LANE_HEADER: Final = "lane"
SEQ_HEADER: Final = "seq"
TOTAL_HEADER: Final = "total"
"""The name of the total that the event counts in; without it, the contract's one total."""
TRACEPARENT_HEADER: Final = "traceparent"
PROBE_HEADER: Final = "sumflow-probe"
"""Marks a record that checks the broker; consumers count it and fold nothing."""

LANE_EVENT_VERSION: Final = 8
"""The version (RFC 9562) of the UUIDs of lanes' events; those of other producers are hardly ever of it."""
AGGREGATE_TYPE: Final = "sum"
EVENT_TYPE: Final = "sum.calculated"
_POSITION: Final = re.compile(r"(?P<lane>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(?P<seq>[1-9][0-9]{0,17})")


class InvalidEventError(ValueError):
    """A record's value is not an event of the contract; the message says why, for the dead-letter table."""


class Payload(msgspec.Struct, frozen=True):
    """What was added and what it came to, signed 64-bit each."""

    x: int
    y: int
    result: int


class Event(msgspec.Struct, frozen=True):
    """One accepted addition, as JSON on the topic. Times are RFC 3339."""

    event_id: UUID
    aggregate_type: str
    aggregate_id: str
    event_type: str
    payload: Payload
    created_at: datetime
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where an addition stands: the seq-th of its lane, from 1."""

    lane: UUID
    seq: int

    def __str__(self) -> str:
        return f"{self.lane}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read the text form; raise ValueError if it is not `<lane>:<seq>` with seq >= 1."""
        if (found := _POSITION.fullmatch(text)) is None:
            raise ValueError(f"not a position as an adder's answer gives it, <lane>:<seq>: {text[:64]!r}")
        return cls(UUID(found["lane"]), int(found["seq"]))


class _WrittenEvent(msgspec.Struct, frozen=True):
    """The same JSON as Event from texts that are at hand, so that publishing parses nothing."""

    event_id: str
    aggregate_type: str
    aggregate_id: str
    event_type: str
    payload: Payload
    created_at: str
    published_at: str


_encode_json = msgspec.json.Encoder().encode


class LaneEncoder:
    """Writes the events of one lane; what is the same for all of them is worked out once."""

    def __init__(self, lane: UUID) -> None:
        self._lane = str(lane)
        head = lane.hex[:16]
        self._id_head = f"{head[:8]}-{head[8:12]}-{LANE_EVENT_VERSION}{head[13:16]}-"

    def event_id(self, seq: int) -> str:
        """Derive the UUID (version 8, RFC 9562) of the lane's seq-th event: 60 bits of the lane, 62 of the seq."""
        tail = f"{1 << 63 | seq:016x}"
        return f"{self._id_head}{tail[:4]}-{tail[4:]}"

    def encode(self, seq: int, x: int, y: int, created_at: str, published_at: str) -> bytes:
        """Write the lane's seq-th event as the contract's JSON; times are RFC 3339 texts."""
        payload = Payload(x, y, x + y)
        event_id = self.event_id(seq)
        return _encode_json(
            _WrittenEvent(event_id, AGGREGATE_TYPE, self._lane, EVENT_TYPE, payload, created_at, published_at)
        )


_decoder = msgspec.json.Decoder(Event)


def decode(value: bytes | None) -> Event:
    """Read one event; raise InvalidEventError with the reason if it is none.

    Strict about what is counted (types, 64 bits, x + y = result), tolerant of fields that it does not know.
    """
    if value is None:
        raise InvalidEventError("the record has no value")
    try:
        event = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidEventError(str(error)) from error
    if event.event_type != EVENT_TYPE:
        raise InvalidEventError(f"unknown event type {event.event_type[:100]!r}")
    numbers = event.payload
    if not (is_int64(numbers.x) and is_int64(numbers.y) and is_int64(numbers.result)):
        raise InvalidEventError("x, y or result does not fit 64 bits")
    if numbers.x + numbers.y != numbers.result:
        raise InvalidEventError(f"x + y is {numbers.x + numbers.y}, the result says {numbers.result}")
    return event
