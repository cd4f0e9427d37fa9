"""What a backup says of itself, and which one leads to a moment; pure, and the same on one machine and on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from sumflow.errors import UsageError


class Record(msgspec.Struct, frozen=True):
    """What a backup says of itself; a database can be brought to any moment from `ended_at` on."""

    began_at: datetime
    ended_at: datetime
    version: str
    profile: str
    first_wal: dict[str, str]
    """Of each component, the oldest WAL segment that the backup needs."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup and its place."""

    path: Path
    record: Record


def choose(found: Sequence[Backup], component: str, until: datetime | None) -> Backup:
    """Return the youngest backup of a server that ended before a moment; raise UsageError if there is none."""
    having = [each for each in found if component in each.record.first_wal]
    fitting = [each for each in having if until is None or each.record.ended_at <= until]
    if fitting:
        return fitting[-1]
    ends = ", ".join(each.record.ended_at.isoformat(timespec="seconds") for each in having)
    raise UsageError(
        f"there is no backup of {component}" + (f" from before {until.isoformat()}" if until else ""),
        why=f"backups lead to moments after their own end: {ends}" if ends else "",
        remedy="name another --to, or another --from; `sumflow backup` makes one",
    )
