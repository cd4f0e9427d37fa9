"""Arithmetic of the contract: x, y and their sum are signed 64-bit, checked, never wrapped."""

from __future__ import annotations

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


def is_int64(value: int) -> bool:
    """Tell whether a value fits a signed 64-bit integer."""
    return INT64_MIN <= value <= INT64_MAX
