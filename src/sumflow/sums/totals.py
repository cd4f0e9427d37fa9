"""Names of totals: which names there can be, and what additions come to under each of them.

A name travels from a client through outbox, record header and database into the path of a URL, so all of these agree
on one rule. The empty name stands for the one total of the original contract.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

MAX_NAME_BYTES: Final = 128
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_PATH: Final = frozenset({".", ".."})
"""Clients take these for directions in a path (RFC 3986, 5.2.4), however they are escaped."""


class Tally(msgspec.Struct, frozen=True, gc=False):
    """A number of additions and their sum."""

    count: int = 0
    sum: int = 0


Tallies = dict[str, Tally]
"""By the names of totals."""


def flaw_of(name: str) -> str | None:
    """Say why a text cannot name a total, or return None."""
    if found := _UNPRINTABLE.search(name):
        return f"the name of a total has no control characters, this one has {found[0]!r}"
    if (size := len(name.encode())) > MAX_NAME_BYTES:
        return f"the name of a total has at most {MAX_NAME_BYTES} bytes of UTF-8, this one {size:,}"
    if name in _NO_PATH:
        return f"{name!r} cannot name a total: no URL could ask for it"
    return None


def tally(tallies: Tallies, name: str, count: int, value: int) -> None:
    """Add so many additions with a sum of `value` to what a name has."""
    known = tallies.get(name)
    tallies[name] = Tally(known.count + count, known.sum + value) if known else Tally(count, value)
