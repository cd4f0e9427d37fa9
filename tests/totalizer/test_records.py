"""Sorting: every record becomes what it is, and nothing is left out."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from sumflow.sums.event import LaneEncoder
from sumflow.totalizer.records import HEADER_LIMIT_BYTES, VALUE_LIMIT_BYTES, Headers, sort
from tests.totalizer.records import FakeRecord, Lane, foreign_value

LANE_TEXT = "abcdefab-0000-4000-8000-000000000001"
LANE = Lane(UUID(LANE_TEXT))


def test_events_of_lanes_are_grouped_in_their_order() -> None:
    """Each lane's events come in the order in which they were read, with their places."""
    one, two = Lane(), Lane()
    batch = sort([one.record(1, 5, 6, (0, 7)), two.record(4, place=(1, 3)), one.record(2, place=(0, 8))])
    assert [(e.seq, e.partition, e.offset) for e in batch.lanes[one.lane]] == [(1, 0, 7), (2, 0, 8)]
    assert batch.lanes[one.lane][0].event.payload.result == 11
    assert [e.seq for e in batch.lanes[two.lane]] == [4]
    assert batch.next_offsets == {0: 9, 1: 4}


def test_an_event_without_lane_is_foreign() -> None:
    """Another producer of the contract, which knows no lanes, is understood; other headers do not matter."""
    event_id = uuid4()
    batch = sort([FakeRecord((0, 0), foreign_value(event_id, 2, 3), [("traceparent", b"00-ab")])])
    assert [(e.event.event_id, e.event.payload.result, e.total) for e in batch.foreign] == [(event_id, 5, "")]
    assert not batch.poison


@pytest.mark.parametrize("aggregate_id", ["till", str(UUID(int=2)), LANE_TEXT.upper(), "\u00e4"])
def test_an_id_made_as_those_of_lanes_are_is_foreign_when_its_aggregate_is_no_such_lane(aggregate_id: str) -> None:
    """Another producer may make its ids of the same version: only id and aggregate together are a lane's event."""
    event_id = LaneEncoder(LANE.lane).event_id(7)
    batch = sort([FakeRecord((0, 0), foreign_value(event_id, 2, 3, aggregate_id=aggregate_id))])
    assert ([str(e.event.event_id) for e in batch.foreign], batch.poison) == ([event_id], [])


def test_a_probe_is_counted_and_nothing_else() -> None:
    """A record that checks the broker is no event, whatever its value is, and its offset is passed."""
    batch = sort([FakeRecord((2, 5), b"\x00 not json", [("sumflow-probe", b"1")])])
    assert (batch.probes, batch.foreign, batch.poison, batch.next_offsets) == (1, [], [], {2: 6})


OTHER = Lane(UUID(int=2))
ID = UUID(int=3)
_AGGREGATE = f'"aggregate_id":"{LANE.lane}"'.encode()


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (None, None, "no value"),
        (b"", None, "truncated"),
        (b"\xff\xfe", None, "malformed"),
        (b"[]", None, "object"),
        (foreign_value(ID, 1, 2, event_type="sum.deleted"), None, "unknown event type 'sum.deleted'"),
        (foreign_value(ID, 1, 2, event_type="a\x00b"), None, "unknown event type"),
        (foreign_value(ID, 1, 2, payload={"x": 1, "y": 2, "result": 4}), None, "x + y is 3"),
        (foreign_value(ID, 1, 2, payload={"x": "1", "y": 2, "result": 3}), None, "payload.x"),
        (foreign_value(ID, 1, 2, payload={"x": 1, "result": 3}), None, "missing"),
        (foreign_value(ID, 2**63, 0), None, "64 bits"),
        (foreign_value(ID, 2**63 - 1, 1), None, "64 bits"),
        (foreign_value(ID, 2**63, -1), None, "64 bits"),
        (foreign_value(ID, -1, 2**63), None, "64 bits"),
        (foreign_value("no-uuid", 1, 2), None, "event_id"),
        (foreign_value(ID, 1, 2, created_at="yesterday"), None, "created_at"),
        (LANE.value(1, 1, 2), [("lane", str(LANE.lane).encode())], "seq"),
        (LANE.value(1, 1, 2), [("seq", b"1")], "lane"),
        (LANE.value(1, 1, 2), [("lane", None), ("seq", b"1")], "lane"),
        (LANE.value(1, 1, 2), [("lane", LANE.lane.bytes), ("seq", b"1")], "lane"),
        (LANE.value(1, 1, 2), [("lane", str(LANE.lane).upper().encode()), ("seq", b"1")], "canonical"),
        (LANE.value(1, 1, 2), [("lane", LANE.lane.hex.encode()), ("seq", b"1")], "canonical"),
        (LANE.value(1, 1, 2), [*LANE.headers(1)[:1], ("seq", b"0")], "seq"),
        (LANE.value(1, 1, 2), [*LANE.headers(1)[:1], ("seq", b"-1")], "seq"),
        (LANE.value(1, 1, 2), [*LANE.headers(1)[:1], ("seq", b" 1")], "seq"),
        (LANE.value(1, 1, 2), [*LANE.headers(1)[:1], ("seq", b"1_0")], "seq"),
        (LANE.value(1, 1, 2), [*LANE.headers(1)[:1], ("seq", "\u0661".encode())], "seq"),
        (LANE.value(1, 1, 2), [*LANE.headers(1)[:1], ("seq", b"4611686018427387904")], "seq"),
        (LANE.value(1, 1, 2), [*LANE.headers(1)[:1], ("seq", b"9" * 30)], "seq"),
        (LANE.value(1, 1, 2), LANE.headers(2), "as its headers say"),
        (OTHER.value(1, 1, 2), LANE.headers(1), "as its headers say"),
        (LANE.value(1, 1, 2).replace(_AGGREGATE, b'"aggregate_id":"till"'), LANE.headers(1), "as its headers say"),
        (LANE.value(1, 1, 2, "0001-01-01T00:00:00+14:00"), LANE.headers(1), "created_at cannot be stored"),
        (LANE.value(1, 1, 2, "9999-12-31T23:00:00-14:00"), LANE.headers(1), "created_at cannot be stored"),
        (b"{", LANE.headers(1), "truncated"),
        (LANE.value(7, 1, 2), None, f"a copy of {LANE.lane}:7 without its headers"),
        (LANE.value(7, 1, 2), [("total", b"rent")], f"a copy of {LANE.lane}:7 without its headers"),
    ],
)
def test_what_cannot_be_counted_is_put_aside_with_its_reason(
    value: bytes | None, headers: Headers | None, reason: str
) -> None:
    """Poison keeps its place and says why; its neighbours are not disturbed and its offset is passed."""
    good = Lane()
    batch = sort([good.record(1, place=(0, 0)), FakeRecord((0, 1), value, headers), good.record(2, place=(0, 2))])
    assert [(p.partition, p.offset, p.value) for p in batch.poison] == [(0, 1, value)]
    assert reason in batch.poison[0].reason
    assert [e.seq for e in batch.lanes.pop(good.lane)] == [1, 2]
    assert not batch.lanes
    assert batch.next_offsets == {0: 3}


def test_poison_of_a_lane_keeps_its_position() -> None:
    """Who repairs a gap needs to know which event it was."""
    lane = Lane()
    (poison,) = sort([FakeRecord((0, 1), b"{", lane.headers(9))]).poison
    assert (poison.lane, poison.seq) == (lane.lane, 9)


def test_poison_keeps_every_header_of_one_name() -> None:
    """Kafka allows a name to come again; the dead letter has them all, in their order."""
    headers: Headers = [("trace", b"1"), ("other", None), ("trace", b"2")]
    (poison,) = sort([FakeRecord((0, 1), b"{", headers)]).poison
    assert poison.headers == [("trace", "31"), ("other", None), ("trace", "32")]


def test_poison_is_cut_to_its_limits_and_can_be_stored() -> None:
    """Huge values are cut, their size is told; texts hold nothing that PostgreSQL refuses."""
    headers: Headers = [("na\x00me", b"\x00" * (HEADER_LIMIT_BYTES + 1)), ("none", None)]
    (poison,) = sort([FakeRecord((0, 1), b"x" * (VALUE_LIMIT_BYTES + 1), headers, b"key")]).poison
    assert poison.value is not None
    assert (len(poison.value), poison.value_bytes, poison.key) == (VALUE_LIMIT_BYTES, VALUE_LIMIT_BYTES + 1, b"key")
    assert poison.headers == [("na\\x00me", "00" * HEADER_LIMIT_BYTES), ("none", None)]
    (other,) = sort(
        [FakeRecord((0, 1), foreign_value(uuid4(), 1, 2, event_type="\x00\ud800".encode("utf-8", "replace").decode()))]
    ).poison
    assert "\x00" not in other.reason
