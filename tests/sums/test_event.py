"""The event's JSON is the original contract's, and its identity is derived from where it stands."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.sums.event import InvalidEventError, LaneEncoder, Position, decode
from sumflow.sums.numbers import INT64_MAX, INT64_MIN, is_int64

LANE = uuid.UUID("0b8ff7a2-6b52-4f0c-9d4e-2f6f3a1c5d77")
AT = "2026-01-01T00:00:00.000001Z"
numbers = st.integers(INT64_MIN, INT64_MAX)


@given(st.integers(1, 2**62 - 1), numbers, numbers)
def test_what_is_written_is_read_back(seq: int, x: int, y: int) -> None:
    """Every addition whose sum fits survives the JSON exactly; one whose sum does not is refused."""
    value = LaneEncoder(LANE).encode(seq, x, y, AT, AT)
    if is_int64(x + y):
        event = decode(value)
        assert (event.payload.x, event.payload.y, event.payload.result) == (x, y, x + y)
        assert str(event.event_id) == LaneEncoder(LANE).event_id(seq)
    else:
        with pytest.raises(InvalidEventError, match="64 bits"):
            decode(value)


def test_the_json_has_the_contracts_fields() -> None:
    """A plain consumer of the original contract finds its fields, with their types, and no others."""
    event = json.loads(LaneEncoder(LANE).encode(1, 2, 3, AT, AT))
    assert event == {
        "event_id": LaneEncoder(LANE).event_id(1),
        "aggregate_type": "sum",
        "aggregate_id": str(LANE),
        "event_type": "sum.calculated",
        "payload": {"x": 2, "y": 3, "result": 5},
        "created_at": AT,
        "published_at": AT,
    }


@given(st.integers(1, 2**62 - 1), st.integers(1, 2**62 - 1))
def test_event_ids_are_uuids_of_their_own(one: int, other: int) -> None:
    """Two seqs of a lane have different ids, each a valid UUID of version 8."""
    encoder = LaneEncoder(LANE)
    assert (encoder.event_id(one) == encoder.event_id(other)) is (one == other)
    assert uuid.UUID(encoder.event_id(one)).version == 8


@pytest.mark.parametrize("change", [{"result": 6}, {"result": "5"}, {"x": 2.0}, {"x": None}])
def test_an_event_that_does_not_add_up_is_refused(change: dict[str, object]) -> None:
    """Wrong sums and numbers of another type are no events."""
    event = json.loads(LaneEncoder(LANE).encode(1, 2, 3, AT, AT))
    event["payload"] |= change
    with pytest.raises(InvalidEventError):
        decode(json.dumps(event).encode())


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff\xfe", b"[1]", b'{"event_id": 1}'])
def test_what_is_no_event_is_refused_with_a_reason(value: bytes | None) -> None:
    """Nulls, other JSON and bytes that are no text are refused, never raised as something else."""
    with pytest.raises(InvalidEventError, match=r"\w"):
        decode(value)


def test_a_position_survives_its_text() -> None:
    """What clients hold as an opaque text is read back."""
    assert Position.parse(str(Position(LANE, 7))) == Position(LANE, 7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x:1",
        f"{LANE}:0",
        f"{LANE}:",
        f"{LANE}:-1",
        f"{LANE}",
        f"{LANE}:1_0",
        f"{LANE}: 1",
        f"{LANE}:\u0661",
        f"{{{LANE}}}:1",
        f"{LANE}:1\n",
        f"{LANE}:{10**18}",
    ],
)
def test_another_text_is_no_position(text: str) -> None:
    """What no adder answers is a ValueError that shows the form, however near it comes to one."""
    with pytest.raises(ValueError, match=r"<lane>:<seq>"):
        Position.parse(text)
