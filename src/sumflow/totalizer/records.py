"""Sorts a polled batch of Kafka records into what each of them means; pure, and the hottest loop of the totalizer.

A record is an event of a lane, an event of a foreign producer (no lane headers), a probe, or poison: something that is
none of these and goes to the dead letters with its coordinates and a reason. Nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from sumflow.sums.event import (
    LANE_EVENT_VERSION,
    LANE_HEADER,
    PROBE_HEADER,
    SEQ_HEADER,
    TOTAL_HEADER,
    Event,
    InvalidEventError,
    LaneEncoder,
    decode,
)
from sumflow.sums.totals import flaw_of

VALUE_LIMIT_BYTES: Final = 1 << 20
"""What is kept of a poison record's value; brokers accept about as much by default."""
KEY_LIMIT_BYTES: Final = 64 << 10
HEADER_LIMIT_BYTES: Final = 4 << 10
HEADERS_LIMIT: Final = 64
REASON_LIMIT: Final = 1000
LAST_YEAR: Final = 9999
"""At the calendar's ends a zone's offset leads out of it: PostgreSQL would store what Python cannot read again."""
SEQ_END: Final = 1 << 62
"""An event_id has 62 bits for the seq."""

Headers = list[tuple[str, bytes | None]]


class Record(Protocol):
    """What is used of a Kafka client's message."""

    def partition(self) -> int:
        """Return the partition's number."""

    def offset(self) -> int:
        """Return the record's offset."""

    def key(self) -> bytes | None:
        """Return the key."""

    def value(self) -> bytes | None:
        """Return the value; None for a tombstone."""

    def headers(self) -> Headers | None:
        """Return the headers in their order; None if there are none."""


class LaneEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a lane and where it was read."""

    seq: int
    event: Event
    partition: int
    offset: int
    total: str = ""


class ForeignEvent(msgspec.Struct, frozen=True, gc=False):
    """An event without a lane, and the name of its total."""

    event: Event
    total: str = ""


class Poison(msgspec.Struct, frozen=True):
    """A record that cannot be counted, cut to its limits; lane and seq where they could be read."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    value_bytes: int | None
    headers: list[tuple[str, str | None]]
    """Names and hexadecimal values."""
    reason: str
    lane: UUID | None = None
    seq: int | None = None


@dataclass(slots=True)
class Batch:
    """A polled batch, sorted; events of a lane are in the order in which they were read."""

    lanes: dict[UUID, list[LaneEvent]] = field(default_factory=dict)
    foreign: list[ForeignEvent] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    probes: int = 0
    next_offsets: dict[int, int] = field(default_factory=dict)
    """For each partition of the batch, the offset after its last record."""


class LaneIdentity(NamedTuple):
    """What the events of one lane have in common, worked out once."""

    lane: UUID
    text: str
    id_base: int
    """The event_id of the seq-th event is this plus seq."""


def sort(records: Iterable[Record]) -> Batch:
    """Sort records, which are in the order of their offsets within each partition."""
    batch = Batch()
    for record in records:
        headers: Headers = []
        try:
            headers = record.headers() or []
            _take(batch, record, dict(headers))
        except (InvalidEventError, UnicodeDecodeError) as error:
            batch.poison.append(poison(record, headers, str(error)))
        batch.next_offsets[record.partition()] = record.offset() + 1
    return batch


def _take(batch: Batch, record: Record, headers: Mapping[str, bytes | None]) -> None:
    if PROBE_HEADER in headers:
        batch.probes += 1
    elif LANE_HEADER in headers or SEQ_HEADER in headers:
        identity, seq = lane_identity(headers.get(LANE_HEADER)), read_seq(headers.get(SEQ_HEADER))
        event = decode(record.value())
        if event.event_id.int != identity.id_base + seq or event.aggregate_id != identity.text:
            raise InvalidEventError(f"the event is not {identity.text}:{seq}, as its headers say")
        if not 1 < event.created_at.year < LAST_YEAR:
            raise InvalidEventError(f"created_at cannot be stored and read back: {event.created_at.isoformat()}")
        taken = LaneEvent(seq, event, record.partition(), record.offset(), read_total(headers))
        batch.lanes.setdefault(identity.lane, []).append(taken)
    else:
        event = decode(record.value())
        _refuse_copy(event)
        batch.foreign.append(ForeignEvent(event, read_total(headers)))


def _refuse_copy(event: Event) -> None:
    """Raise InvalidEventError if an event without headers is one of a lane by its own identity.

    Whoever reads the topic and writes values back, without their headers, repeats events that count already or will.
    """
    if event.event_id.version != LANE_EVENT_VERSION:
        return
    try:
        identity = lane_identity(event.aggregate_id.encode())
    except InvalidEventError:
        return
    seq = event.event_id.int - identity.id_base
    if 0 < seq < SEQ_END:
        raise InvalidEventError(
            f"a copy of {identity.text}:{seq} without its headers; that event counts as its relay sent it"
        )


@lru_cache(maxsize=4096)
def lane_identity(header: bytes | None) -> LaneIdentity:
    """Read the lane header; raise InvalidEventError unless it is a UUID in its canonical text form."""
    text = (header or b"").decode("ascii", "backslashreplace")
    try:
        lane = UUID(text)
    except ValueError:
        raise InvalidEventError(f"the lane header is not a UUID: {text[:64]!r}") from None
    if str(lane) != text:
        raise InvalidEventError(f"the lane header is not in canonical form: {text[:64]!r}")
    return LaneIdentity(lane, text, UUID(LaneEncoder(lane).event_id(0)).int)


def read_seq(header: bytes | None) -> int:
    """Read the seq header; raise InvalidEventError unless it is a decimal number from 1, below 2^62."""
    if header and len(header) < 20 and header.isdigit():
        seq = int(header)
        if 0 < seq < SEQ_END:
            return seq
    raise InvalidEventError(f"the seq header is not a number from 1 below 2^62: {(header or b'')[:64]!r}")


def read_total(headers: Mapping[str, bytes | None]) -> str:
    """Read the name of the total, empty for the contract's; raise InvalidEventError if it cannot name one."""
    header = headers.get(TOTAL_HEADER)
    if not header:
        return ""
    try:
        name = header.decode()
    except UnicodeDecodeError:
        raise InvalidEventError(f"the total header is not UTF-8: {header[:64]!r}") from None
    if flaw := flaw_of(name):
        raise InvalidEventError(f"the total header: {flaw}")
    return name


def poison(record: Record, headers: Headers, reason: str) -> Poison:
    """Describe a record that cannot be counted, within the limits of the dead-letter table; a name may come again."""
    key, value = record.key(), record.value()
    lane, seq = _position(dict(headers))
    return Poison(
        partition=record.partition(),
        offset=record.offset(),
        key=key and key[:KEY_LIMIT_BYTES],
        value=value and value[:VALUE_LIMIT_BYTES],
        value_bytes=None if value is None else len(value),
        headers=[(storable(name), hexadecimal(held)) for name, held in headers[:HEADERS_LIMIT]],
        reason=storable(reason[:REASON_LIMIT]),
        lane=lane,
        seq=seq,
    )


def _position(headers: Mapping[str, bytes | None]) -> tuple[UUID | None, int | None]:
    try:
        return lane_identity(headers.get(LANE_HEADER)).lane, read_seq(headers.get(SEQ_HEADER))
    except InvalidEventError:
        return None, None


def storable(text: str) -> str:
    """Return a text that PostgreSQL can hold: no NUL, no lone surrogate."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def hexadecimal(value: bytes | None) -> str | None:
    """Return a header's value as hexadecimal digits, cut to its limit."""
    return None if value is None else value[:HEADER_LIMIT_BYTES].hex()
