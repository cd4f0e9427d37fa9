"""What `sumflow doctor` finds, as values."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at: whether it is in order, what was seen, and what to do if it is not."""

    subject: str
    ok: bool
    seen: str
    remedy: str = ""
