"""Kafka in memory: a topic with its identity and logs, producers whose messages are on their way, a group.

Stronger than Kafka in what can go wrong: messages of different partitions arrive in any order, acknowledgements in any
order, a message may fail while those behind it arrive (librdkafka promises not to), what a dead producer has sent
may arrive later, and nobody waits for a consumer that was replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, TopicPartition

from sumflow.sums.event import SEQ_HEADER
from sumflow.totalizer.positions import TopicFacts
from sumflow.totalizer.records import Headers
from tests.simulation.clock import CLOCK
from tests.simulation.storage import Violation
from tests.simulation.totalizer_store import TotalizerStore

Callback = Callable[[KafkaError | None, object], None]


@dataclass(frozen=True, slots=True)
class Stranger:
    """What the event of another producer counts as, once."""

    event_id: UUID
    result: int
    total: str


class Record:
    """A record in a log, with the methods of the client's message, and with what it really is."""

    __slots__ = ("_headers", "_offset", "_partition", "_value", "is_poison", "is_probe", "lane", "seq", "stranger")

    def __init__(
        self,
        value: bytes | None,
        partition: int,
        headers: Headers | None,
        *,
        lane: UUID | None = None,
        seq: int = 0,
        stranger: Stranger | None = None,
        is_poison: bool = False,
        is_probe: bool = False,
    ) -> None:
        self._value, self._partition, self._offset, self._headers = value, partition, -1, headers
        self.lane, self.seq, self.stranger, self.is_poison, self.is_probe = lane, seq, stranger, is_poison, is_probe

    def __str__(self) -> str:
        what = f"{self.lane}:{self.seq}" if self.lane else self.stranger or ("a probe" if self.is_probe else "no event")
        return f"{what} at {self._partition}@{self._offset}"

    def partition(self) -> int:
        """Return the partition."""
        return self._partition

    def offset(self) -> int:
        """Return the offset."""
        return self._offset

    def take_place(self, offset: int) -> None:
        """Be given an offset."""
        self._offset = offset

    def key(self) -> bytes | None:
        """Return the key."""
        return self.lane.bytes if self.lane else None

    def value(self) -> bytes | None:
        """Return the value."""
        return self._value

    def headers(self) -> Headers | None:
        """Return the headers."""
        return self._headers

    def error(self) -> KafkaError | None:
        """Return None: this is a record."""
        return None


class Unreadable:
    """What a consumer gets in the place of a record.

    Args:
        code: why.
    """

    def __init__(self, code: int) -> None:
        self._code = code

    def error(self) -> KafkaError | None:
        """Return the error."""
        return KafkaError(self._code)


@dataclass(slots=True)
class Topic:
    """The topic `sums`."""

    identity: UUID
    logs: list[list[Record]]
    first: list[int]
    on_append: Callable[[Record], None] = field(init=False)

    def facts(self) -> TopicFacts:
        """Return what an admin client is told."""
        return TopicFacts(self.identity, dict(enumerate(self.first)), {p: len(log) for p, log in enumerate(self.logs)})

    def append(self, record: Record) -> None:
        """Give a record its place at the end of its partition."""
        log = self.logs[record.partition()]
        record.take_place(len(log))
        log.append(record)
        self.on_append(record)

    def recreate(self, identity: UUID) -> None:
        """Delete the topic and make another of the same name."""
        self.identity = identity
        self.logs = [[] for _ in self.logs]
        self.first = [0] * len(self.logs)


@dataclass(slots=True)
class Message:
    """A message on its way."""

    key: bytes
    value: bytes
    partition: int
    callback: Callback
    headers: Headers


@dataclass(slots=True, eq=False)
class Producer:
    """What a publisher sees of librdkafka, and the broker's side of it.

    Args:
        topic: where messages arrive.
        capacity: how many messages it holds before it says that its queue is full.
        on_news: is called after each callback.
    """

    topic: Topic
    capacity: int
    on_news: Callable[[], None]
    waiting: list[deque[Message]] = field(init=False)
    unacknowledged: list[Message] = field(default_factory=list)
    """In the log, but the producer does not know it yet."""
    _held: int = 0

    def __post_init__(self) -> None:
        self.waiting = [deque() for _ in self.topic.logs]

    def __len__(self) -> int:
        return self._held

    def produce(
        self, _topic: str, value: bytes, key: bytes, partition: int, callback: Callback, headers: Headers
    ) -> None:
        """Take a message; raise BufferError if there are too many."""
        if self._held >= self.capacity:
            raise BufferError
        self._held += 1
        self.waiting[partition].append(Message(key, value, partition, callback, headers))

    def drop(self) -> None:
        """Forget everything that is on its way."""
        for queue in self.waiting:
            queue.clear()
        self.unacknowledged.clear()
        self._held = 0

    def flush(self, _within_s: float) -> None:
        """Wait for nothing: what is not acknowledged now is sent again by the next producer."""

    def arrive(self, queue: deque[Message]) -> None:
        """The broker appends the oldest message of a partition's queue."""
        message = queue.popleft()
        lane, seq = CLOCK.identity_of_bytes[message.key], int(dict(message.headers)[SEQ_HEADER] or 0)
        self.topic.append(Record(message.value, message.partition, message.headers, lane=lane, seq=seq))
        self.unacknowledged.append(message)

    def fail(self, queue: deque[Message]) -> None:
        """The oldest message of a partition's queue is given up."""
        self._held -= 1
        queue.popleft().callback(KafkaError(KafkaError._MSG_TIMED_OUT), None)
        self.on_news()

    def acknowledge(self, index: int) -> None:
        """Tell the producer of one message."""
        self._held -= 1
        self.unacknowledged.pop(index).callback(None, None)
        self.on_news()


@dataclass(slots=True, eq=False)
class Consumer:
    """What the totalizer sees of its client."""

    topic: Topic
    totals: TotalizerStore
    positions: dict[int, int] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    is_damaged: bool = False
    """The first record of the next fetch arrives damaged; the client goes on behind it."""

    def assign(self, places: list[TopicPartition]) -> None:
        """Fetch from these places; what was fetched before is forgotten."""
        self.positions = {place.partition: place.offset for place in places}

    def unassign(self) -> None:
        """Fetch nothing."""
        self.positions = {}

    def commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> None:
        """Remember offsets for lag tools, which are told nothing that PostgreSQL does not know."""
        assert asynchronous
        for place in offsets:
            stored = self.totals.offsets.get(place.partition)
            if stored is None or stored.next_offset < place.offset:
                raise Violation(f"Kafka is told {place.offset} of {place.partition}, and stored is {stored}")
        self.committed.update((place.partition, place.offset) for place in offsets)

    def get_watermark_offsets(self, place: TopicPartition, *, cached: bool) -> tuple[int, int]:
        """Return where the partition begins and ends."""
        assert cached
        return 0, len(self.topic.logs[place.partition])

    def fetch(self, limit: int) -> list[Any]:
        """Return at most so many records of each partition."""
        fetched: list[Any] = []
        for partition, position in self.positions.items():
            log = self.topic.logs[partition]
            if not self.topic.first[partition] <= position <= len(log):
                fetched.append(Unreadable(KafkaError._AUTO_OFFSET_RESET))
                continue
            records = log[position : position + limit]
            self.positions[partition] = position + len(records)
            fetched += records
        if fetched and self.is_damaged:
            fetched[0], self.is_damaged = Unreadable(KafkaError._BAD_MSG), False
        return fetched
