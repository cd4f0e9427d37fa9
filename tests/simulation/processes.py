"""The real writer, relay and totalizer, run step by step on simulated servers; each may stop anywhere for ever."""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

import psycopg

from sumflow.adder.publisher import Publisher
from sumflow.adder.relay_session import RelaySession
from sumflow.adder.requests import Refused
from sumflow.adder.session import LaneSession
from sumflow.adder.writer import Writer
from sumflow.sums.event import Position
from sumflow.totalizer import machine
from sumflow.totalizer.consumer import KafkaToTotal
from sumflow.totalizer.ledger import Outcome
from tests.simulation.adder_store import AdderStore
from tests.simulation.kafka import Consumer, Producer, Topic
from tests.simulation.storage import Violation
from tests.simulation.tasks import Connection, Task, pause
from tests.simulation.totalizer_store import TotalizerStore, Transactions

_T = TypeVar("_T")


class Nothing:
    """Metrics and logs, which nobody reads here: answers everything with itself."""

    def __getattr__(self, name: str) -> Nothing:
        setattr(self, name, self)  # found at once the next time
        return self

    def __call__(self, *_: object, **__: object) -> Nothing:
        """Return itself."""
        return self

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        return


NOTHING: Any = Nothing()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the processes are told: their names, and the servers in the place of their addresses."""

    instance: str
    store: AdderStore
    random: Random
    topic: Topic
    capacity: int
    adder_max_pending: int
    totals: TotalizerStore
    kafka_topic: str = "sums"
    kafka_group: str = "totalizer-group"
    relay_adoption_interval_s: float = 5.0
    processed_events_retention_days: int = 30


class SimulatedWriter(Writer):
    """The real writer; only waiting is another."""

    _settings: Any

    async def _open(self) -> LaneSession:
        return await LaneSession.open(self._settings)

    def _within(self, session: LaneSession, work: Coroutine[Any, Any, _T]) -> Coroutine[Any, Any, _T]:
        return work


class SimulatedPublisher(Publisher):
    """The real publisher with a simulated producer, and without a thread."""

    def __init__(self, topic: Topic, capacity: int, on_news: Callable[[], None]) -> None:
        self._topic = "sums"
        self._metrics = self._failed = NOTHING
        self.failure = None
        self._closing = False
        self._producer: Any = Producer(topic, capacity, on_news)

    @property
    def producer(self) -> Producer:
        """The producer."""
        producer: Producer = self._producer
        return producer

    def forget(self) -> None:
        """Hear of no acknowledgement any more."""
        self._closing = True


class Notices:
    """What a listening connection hears."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = numbers

    async def notifies(self) -> AsyncIterator[Any]:
        """Yield the announcements."""
        for number in self._numbers:
            yield types.SimpleNamespace(payload=str(number))


class Relay:
    """A relay's process: one session and producer after another."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: RelaySession | None = None
        self._connection: Connection | None = None
        self.publisher: SimulatedPublisher | None = None
        self.retired: list[Producer] = []
        """Producers that were thrown away; what they have sent may arrive all the same."""
        self.task = Task(settings.store, self._run())
        self.is_stopping = asyncio.Event()
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """Let the process end in good order."""
        self.is_stopping.set()
        self._wake.set()

    async def _run(self) -> None:
        settings: Any = self._settings
        while not self.is_stopping.is_set():
            session = RelaySession(settings, NOTHING, self._wake, self.is_stopping)
            publisher = SimulatedPublisher(settings.topic, settings.capacity, self._wake.set)
            connection: Any = Connection(settings.store, synchronous=False)
            session._cursor = connection.cursor()
            self._session, self.publisher, self._connection = session, publisher, connection
            with contextlib.suppress(psycopg.Error):  # the next session begins anew, as in the real loop
                await session._publish(publisher, len(settings.topic.logs))
            self.retire()
            await connection.close()
            await pause()

    def retire(self) -> None:
        """Throw the producer away."""
        if self.publisher:
            self.publisher.forget()
            self.retired.append(self.publisher.producer)
        self._session = self.publisher = None

    def hear(self, numbers: list[int]) -> None:
        """Hear of commits."""
        if self._session and numbers:
            listening = self._session._listen(Notices(numbers))  # type: ignore[arg-type]
            try:
                listening.send(None)
            except StopIteration:
                return


class Complaints:
    """In the place of a totalizer's metrics: keeps what must not be in a history in which nothing failed."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def __getattr__(self, name: str) -> Any:
        setattr(type(self), name, NOTHING)  # found at once the next time, by all of them
        return NOTHING

    @property
    def troubles(self) -> Complaints:
        """Itself, which counts with `inc`."""
        return self

    def inc(self) -> None:
        """Hear that reading began anew."""
        self.heard.append("a trouble")

    def observe(self, _: int, outcome: Outcome) -> None:
        """Hear what a batch came to."""
        if outcome.duplicates or outcome.parked:
            self.heard.append(outcome)


class Member:
    """A totalizer's process, and what its client has fetched for it."""

    def __init__(self, settings: Any) -> None:
        metrics: Any = Complaints()
        self.complaints: Complaints = metrics
        self.totalizer = KafkaToTotal(settings, metrics, NOTHING, lambda: False, lambda: None)
        self.group: list[machine.Assigned | machine.Revoked] = []
        """What the group has to tell."""
        self._fetched: list[Any] = []

    @property
    def transactions(self) -> Transactions:
        """The session with the totalizer's database."""
        session: Any = self.totalizer._session
        return session  # type: ignore[no-any-return]

    @property
    def client(self) -> Consumer:
        """The Kafka client."""
        client: Any = self.totalizer._consumer
        return client  # type: ignore[no-any-return]

    @property
    def state(self) -> machine.State:
        """What the machine is doing."""
        return self.totalizer._state

    def look_at_clock(self) -> None:
        """Do what is due."""
        self.totalizer._feed(machine.Tick())

    def fetch(self, limit: int) -> None:
        """Fetch at most so many records of each partition."""
        self._fetched = self.client.fetch(limit)

    def hear(self) -> None:
        """Hear what the group has to tell; the client calls back while it polls."""
        for event in self.group:
            self.totalizer._feed(event)
        self.group.clear()

    def stop(self) -> None:
        """End in good order, what was fetched is left to others."""
        self.totalizer._feed(machine.StopRequested())

    def take(self) -> None:
        """The second half: count what was fetched."""
        fetched, self._fetched = self._fetched, []
        if fetched:
            self.totalizer._take(fetched)

    @property
    def has_fetched(self) -> bool:
        """Whether something waits to be counted."""
        return bool(self._fetched)


class Answer:
    """In the place of a request's future: takes the answer to the client, if both still live."""

    def __init__(self, told: Callable[[Position | Refused], None]) -> None:
        self._told = told
        self.is_over = False

    def done(self) -> bool:
        """Tell whether nobody waits for it any more."""
        return self.is_over

    def set_result(self, position: Position) -> None:
        """Answer with a position."""
        self._tell(position)

    def set_exception(self, refused: Refused) -> None:
        """Refuse."""
        self._tell(refused)

    def _tell(self, outcome: Position | Refused) -> None:
        if self.is_over:
            raise Violation(f"nobody waits for an answer any more, and it is given: {outcome}")
        self.is_over = True
        self._told(outcome)
