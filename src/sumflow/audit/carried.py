"""A topic's records over a pipe, for an audit whose own Kafka client does not reach the brokers.

Where the brokers' names resolve, one side reads the topic and sends a batch whenever it is asked for one: so no more
than a batch is on its way, however fast the topic and however slow the audit. First comes what can be read at all; the
last batch is empty, and a pipe that ends before it was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from sumflow.audit.facts import Extent
from sumflow.audit.records import Reading
from sumflow.totalizer.records import Headers, Record

ASK: Final = b"\n"
"""Asks for the next batch."""
_LENGTH_BYTES: Final = 4


class CarriedRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A record as it travels, and as the audit uses it: as a Kafka client's message."""

    in_partition: int
    at_offset: int
    raw_key: bytes | None
    raw_value: bytes | None
    raw_headers: Headers | None

    @classmethod
    def of(cls, record: Record) -> CarriedRecord:
        """Take a record as a Kafka client gives it."""
        return cls(record.partition(), record.offset(), record.key(), record.value(), record.headers())

    def partition(self) -> int:
        """Return the partition's number."""
        return self.in_partition

    def offset(self) -> int:
        """Return the record's offset."""
        return self.at_offset

    def key(self) -> bytes | None:
        """Return the key."""
        return self.raw_key

    def value(self) -> bytes | None:
        """Return the value; None for a tombstone."""
        return self.raw_value

    def headers(self) -> Headers | None:
        """Return the headers in their order; None if there are none."""
        return self.raw_headers


_ENCODER: Final = msgspec.msgpack.Encoder()
_BATCH: Final = msgspec.msgpack.Decoder(list[CarriedRecord])
_PLACES: Final = msgspec.msgpack.Decoder(list[str])


def answers(reading: Reading) -> Iterator[bytes]:
    """Return what is sent: an answer each time that one is asked for."""
    yield _framed(places(reading.within))
    for batch in reading.batches:
        yield _framed([CarriedRecord.of(record) for record in batch])
    yield _framed([])


def _framed(content: list[str] | list[CarriedRecord]) -> bytes:
    body = _ENCODER.encode(content)
    return len(body).to_bytes(_LENGTH_BYTES) + body


def receive(ask: Callable[[bytes], None], hear: Callable[[], bytes]) -> Reading:
    """Ask for batch after batch.

    Args:
        ask: sends to the side that reads the topic.
        hear: returns what comes from there, at least a byte; raises SumflowError if nothing comes any more.
    """

    def answer() -> bytearray:
        ask(ASK)
        heard = bytearray()
        while len(heard) < _LENGTH_BYTES or len(heard) < _LENGTH_BYTES + int.from_bytes(heard[:_LENGTH_BYTES]):
            heard += hear()
        return heard[_LENGTH_BYTES:]

    return Reading(held_of(_PLACES.decode(answer())), iter(lambda: _BATCH.decode(answer()), []))


def places(held: Mapping[int, Extent]) -> list[str]:
    """Write what partitions hold as words of a command line; `held_of` reads them."""
    return [f"{partition}:{extent.first}:{extent.end}" for partition, extent in held.items()]


def held_of(words: Iterable[str]) -> dict[int, Extent]:
    """Read the words of `places`; raise ValueError for others."""
    return {partition: Extent(first, end) for partition, first, end in (map(int, word.split(":")) for word in words)}
