"""Another reader of events and of numbers, from the contract alone: slow, of the standard library, none of our code.

Two kinds of answer: what may be counted at most, and what must be counted. In between an implementation is free, as
with ways to write a time.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn
from uuid import UUID

MEMBERS: Final = (
    b"event_id",
    b"aggregate_type",
    b"aggregate_id",
    b"payload",
    b"x",
    b"y",
    b"result",
    b"created_at",
    b"published_at",
)
INT64: Final = range(-(2**63), 2**63)
_TIME: Final = re.compile(
    r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z", re.ASCII
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEQ: Final = re.compile(rb"[1-9][0-9]{0,17}")
_LINE: Final = re.compile(rb"([+-]?[0-9]{1,19})(?:,([+-]?[0-9]{1,19}))?")

Numbers = tuple[int, int, int]


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _read(value: bytes) -> dict[str, Any] | None:
    """Read JSON; in members that nobody reads, our reader leaves bytes alone that are not UTF-8."""
    try:
        found = json.loads(value.decode("utf-8", "replace"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def numbers_at_most(value: bytes) -> Numbers | None:
    """Return x, y and result if an event with these may be counted; None if none may be."""
    event = _read(value)
    payload = event.get("payload") if event else None
    if event is None or event.get("event_type") != "sum.calculated" or not isinstance(payload, dict):
        return None
    read = [payload.get(name) for name in ("x", "y", "result")]
    if not all(
        isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) and n == int(n) for n in read
    ):
        return None
    x, y, result = (int(n) for n in read if n is not None)
    return (x, y, result) if x + y == result and all(n in INT64 for n in (x, y, result)) else None


def _is_repeated(value: bytes) -> bool:
    """Tell whether a member occurs twice: which of them counts is free, and whether the other must be right."""
    return any(value.count(b'"%s"' % name) > 1 for name in MEMBERS)


def is_plain(value: bytes) -> bool:
    """Tell whether a value is an event written in the one way that leaves no freedom: it must be counted."""
    event = _read(value)
    if event is None or numbers_at_most(value) is None or _is_repeated(value) or b"\\" in value or not value.isascii():
        return False
    texts = [event.get(name) for name in ("event_id", "aggregate_type", "aggregate_id", "created_at")]
    if not all(isinstance(text, str) for text in texts):
        return False
    payload = event["payload"]
    return (
        all(type(payload[name]) is int for name in ("x", "y", "result"))
        and _UUID.fullmatch(event["event_id"]) is not None
        and all(
            _TIME.fullmatch(event.get(name, ""))
            for name in ("created_at", "published_at")
            if isinstance(event.get(name, ""), str)
        )
        and isinstance(event.get("published_at"), str)
    )


def event_id(lane: str, seq: int) -> str:
    """Return the id of a lane's event (version 8 of RFC 9562: 60 bits of the lane, 62 of the seq)."""
    digits = lane.replace("-", "")
    tail = f"{(1 << 63) + seq:016x}"
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{tail[:4]}-{tail[4:]}"


def is_of_lane(lane: bytes, seq: bytes, value: bytes) -> bool:
    """Tell whether headers and value name the same event."""
    text = lane.decode("latin-1")
    event = _read(value)
    if event is None or not _UUID.fullmatch(text) or not seq.isdigit() or int(seq) < 1:
        return False
    try:
        named = UUID(str(event.get("event_id")))
    except ValueError:
        return False
    return event.get("aggregate_id") == text and str(named) == event_id(text, int(seq))


def is_plain_seq(seq: bytes) -> bool:
    """Tell whether a seq header is one that must be read."""
    return _SEQ.fullmatch(seq) is not None


def addition(line: bytes) -> tuple[int, int] | None:
    """Return the addition of a plain line, None if the line is not plain."""
    matched = _LINE.fullmatch(line)
    if matched is None:
        return None
    x, y = int(matched[1]), int(matched[2] or b"0")
    return (x, y) if x in INT64 and y in INT64 else None
