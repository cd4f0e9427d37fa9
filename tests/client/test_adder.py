"""Single additions: counted once however often the call fails, refused in clear words."""

from __future__ import annotations

import pytest

from sumflow.client.adder import Adder
from sumflow.errors import NotRunningError, UsageError
from sumflow.settings import Address
from sumflow.sums.numbers import INT64_MAX
from tests.client.pipeline import Pipeline, serving
from tests.client.wire import Wire


def test_a_call_that_fails_is_repeated_and_counted_once() -> None:
    """UNAVAILABLE is repeated under the same id, and whoever waits hears why."""
    heard: list[str] = []
    system = Pipeline(fail_before=2)
    with serving(system) as doors, Adder(doors.adder, on_wait=heard.append) as client:
        assert client.add(2, 3).sum == 5
    assert system.numbers == [(2, 3)]
    assert heard == ["the database is away"] * 2


def test_the_same_id_is_the_same_addition() -> None:
    """A caller's own id is used as it is; two calls without one are two additions."""
    system = Pipeline()
    with serving(system) as doors, Adder(doors.adder) as client:
        assert client.add(1, 1, "mine") == client.add(1, 1, "mine")
        assert client.add(1, 1) != client.add(1, 1)
    assert system.total == 6


def test_an_overflow_is_refused_at_once() -> None:
    """OUT_OF_RANGE is the caller's mistake: exit code 2, the adder's words, no repetition."""
    with serving(Pipeline()) as doors, Adder(doors.adder) as client:
        with pytest.raises(UsageError, match="does not fit 64 bits") as caught:
            client.add(INT64_MAX, 1)
        assert caught.value.exit_code == 2


def test_an_adder_that_stays_away_is_told_with_its_address() -> None:
    """After the patience is over the error names the address and what to do."""
    with Adder(Address("127.0.0.1", 1), patience_s=0.2) as client:
        with pytest.raises(NotRunningError, match=r"127\.0\.0\.1:1 is not available") as caught:
            client.add(1, 1)
        assert "sumflow up" in caught.value.remedy


def test_a_connection_to_a_lost_peer_is_left() -> None:
    """A peer that vanished without a word: after one call's time the next goes over a connection of its own."""
    system = Pipeline()
    with serving(system) as doors, Wire(doors.adder) as wire, Adder(wire.address, call_timeout_s=0.5) as client:
        assert client.add(1, 1).sum == 2
        wire.lose_connections()
        assert client.add(2, 3).sum == 5
    assert system.numbers == [(1, 1), (2, 3)]
