"""What the Kafka client could not read is read again, never stepped over: real records on a wire that damages them."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest
from confluent_kafka import KafkaError

from sumflow.totalizer import broker, machine
from tests.totalizer.bench import Bench, Running
from tests.totalizer.records import FakeRecord, Lane
from tests.totalizer.wire import DamagingWire

pytestmark = pytest.mark.integration
EVENTS = 6


def add_numbers(bench: Bench) -> None:
    """Produce events whose sum says which of them were counted, each in a record batch of its own."""
    for n in range(EVENTS):
        bench.add_foreign(uuid4(), 10**n)


def check_counted(bench: Bench) -> None:
    """All were read, each counted once, and none was put aside."""
    bench.eventually(lambda: bench.query("SELECT next_offset FROM offsets WHERE partition = 0"), [(EVENTS,)])
    assert bench.total() == (EVENTS, 111_111)
    assert bench.query("SELECT count(*) FROM dead_letters") == [(0,)]


@pytest.mark.parametrize("altered", [b'"x":999,', b'"x":?00,'], ids=["another number", "not even JSON"])
def test_records_that_are_damaged_on_their_way_are_read_again(bench: Bench, altered: bytes) -> None:
    """A flipped bit makes no other number, no dead letter and no hole."""
    add_numbers(bench)
    wire = DamagingWire(bench.settings.kafka_bootstrap_servers, (b'"x":100,', altered), times=2)
    with wire.running():
        reached = msgspec.structs.replace(bench.settings, kafka_bootstrap_servers=wire.address)
        with bench.running(reached) as running:
            check_counted(bench)
            assert running.metric("totalizer_troubles_total") > 0
    assert wire.left == 0


class FailedMessage:
    """A message as the client gives it for what it could not read."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def error(self) -> KafkaError:
        """Return why."""
        return self._error


class SkippingClient:
    """A client that once reports an error in the place of a record, and goes on behind it."""

    def __init__(self, client: Any, code: int) -> None:
        self._client = client
        self._failures = [FailedMessage(code)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def poll(self, wait_s: float) -> Any:
        """Return the next record."""
        return self._skipping(self._client.poll(wait_s))

    def consume(self, most: int, wait_s: float) -> list[Any]:
        """Return the next records."""
        return [self._skipping(message) for message in self._client.consume(most, wait_s)]

    def _skipping(self, message: Any) -> Any:
        return self._failures.pop() if self._failures and message and message.offset() == 2 else message


@pytest.mark.parametrize(
    "code",
    [KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.MSG_SIZE_TOO_LARGE],
    ids=lambda code: str(KafkaError(code).name()),
)
def test_whatever_error_stands_for_a_record_nothing_behind_it_is_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The records that the client gives after an error are left; reading starts anew where the last commit ended."""
    add_numbers(bench)
    make_consumer = broker.make_consumer
    monkeypatch.setattr(broker, "make_consumer", lambda settings: SkippingClient(make_consumer(settings), code))
    with bench.running() as running:
        check_counted(bench)
        assert running.metric("totalizer_troubles_total") == 1


class Late(FakeRecord):
    """A record as the client hands it over, with nothing wrong about it."""

    def error(self) -> None:
        """Return that nothing is wrong."""


def test_records_from_before_a_rebalance_are_left_out(bench: Bench) -> None:
    """What was fetched of another partition, or of before the stored offset, is neither counted nor passed."""
    lane, kafka = Lane(), Running(bench.settings).consumer
    kafka._feed(machine.Assigned(frozenset({0})))
    bench.add(lane, [1, 2, 3])
    kafka._feed(machine.Tick())
    late = [Late((place), lane.value(seq, seq, 0), lane.headers(seq)) for seq, place in ((1, (0, 0)), (2, (0, 1)))]
    kafka._take(cast("Any", late))
    assert (bench.total(), kafka._state.phase) == ((2, 3), machine.Consuming({0: 2}))
    elsewhere = Late((1, 0), lane.value(3, 3, 0), lane.headers(3))
    kafka._take(cast("Any", [late[0], elsewhere]))
    assert (bench.total(), kafka._state.phase) == ((2, 3), machine.Consuming({0: 2}))
    again = Late((0, 2), lane.value(3, 3, 0), lane.headers(3))
    kafka._take(cast("Any", [*late, again]))
    assert (bench.total(), kafka._state.phase) == ((3, 6), machine.Consuming({0: 3}))
    kafka._consumer.close()
    kafka._session.close()
