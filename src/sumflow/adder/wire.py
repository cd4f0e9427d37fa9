"""How many numbers a message holds, counted on the wire: before memory is taken for them, eight bytes for each.

A packed number is a byte at least, so a message of a megabyte may hold a million; 64 streams of such messages would be
more memory than the adder is given. Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from typing import Final

from sumflow.adder.requests import MAX_BATCH_ADDITIONS

HARMLESS_BYTES: Final = 64 * 1024
"""What a message of this size becomes does not matter."""
_FIELDS_LIMIT: Final = 3 * MAX_BATCH_ADDITIONS + 100
"""x, y and totals, each number with a tag of its own, and the rest."""
_NUMBERS_LIMIT: Final = 2 * MAX_BATCH_ADDITIONS
_PACKED: Final = ((1 << 3) | 2, (2 << 3) | 2)
"""Tags of x and y, packed (sum.proto)."""
_NOT_LAST: Final = bytes(range(128, 256))
"""The bytes of a varint but its last."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def is_overfull(data: bytes) -> bool:
    """Tell whether a SumBatchRequest holds more numbers or fields than a batch may; raise ValueError if it is none."""
    if len(data) <= HARMLESS_BYTES:
        return False
    at = numbers = 0
    for _ in range(_FIELDS_LIMIT):
        if at >= len(data):
            return False
        tag, at = _varint(data, at)
        if tag & 7 == _LENGTH:
            size, at = _varint(data, at)
            numbers += len(data[at : at + size].translate(None, _NOT_LAST)) if tag in _PACKED else 0
            at += size
        else:
            at = _after(data, at, tag & 7)
        if numbers > _NUMBERS_LIMIT:
            return True
    return at < len(data)


def _after(data: bytes, at: int, kind: int) -> int:
    """Return where a value without a length ends."""
    if kind == _VARINT:
        return _varint(data, at)[1]
    if kind in (_FIXED64, _FIXED32):
        return at + (8 if kind == _FIXED64 else 4)
    raise ValueError(f"wire type {kind} is none of this contract")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number, and where it ends."""
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 128:
            return value, at + i + 1
    raise ValueError("a varint has no end")
