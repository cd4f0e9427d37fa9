"""What a full disk leaves in a ZooKeeper node's directory, and how the node starts all the same.

A transaction log is made with the first transaction that goes into it, its header is written before anything else, and
a transaction is acknowledged after all of it is on the disk (FileTxnLog.append and commit). A newest log without a
header is therefore one that no acknowledged transaction ever was in: the disk was full, or power failed, in between. A
node of ZooKeeper 3.8 stumbles over it for ever, as long as it runs and at every start (ZOOKEEPER-1621); later releases
remove it as is done here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

HEADER_BYTES: Final = 16
"""Magic number, version and database id."""
_DIRECTORY: Final = "version-2"
_PREFIX: Final = "log."
_ASIDE: Final = "headless-log."
_CHUNK_BYTES: Final = 1 << 20


def headless_log(data: Path) -> Path | None:
    """Return a node's newest transaction log if nothing was ever written into it, of its directory `dataDir`.

    A log has 64 MiB of zeros for the transactions to come. That alone may have reached the disk before a power failure;
    a log that has anything else in the place of its header is damaged in another way, and left to whoever looks at it.
    """
    logs = {_zxid(log): log for log in (data / _DIRECTORY).glob(f"{_PREFIX}*")}
    newest = logs[max(logs)] if logs else None
    return newest if newest and _is_empty(newest) else None


def put_headless_logs_aside(data: Path) -> str:
    """Rename the newest transaction logs in which nothing is; return what was done, in a line, or nothing.

    Only while the node does not run: a log is without a header for a moment when it is made.

    Raises:
        OSError: one cannot be read or renamed.
    """
    renamed = []
    while log := headless_log(data):  # each turn takes one away
        log.rename(log.with_name(_ASIDE + log.name.removeprefix(_PREFIX)))
        renamed.append(log.name)
    if not renamed:
        return ""
    return f"put aside, as a full disk left it without a header and ZooKeeper cannot read it: {', '.join(renamed)}"


def _zxid(log: Path) -> int:
    """Return the transaction that a log begins with, from its name; below all others for a name that is none."""
    try:
        return int(log.name.removeprefix(_PREFIX), 16)
    except ValueError:
        return -1


def _is_empty(log: Path) -> bool:
    if log.stat().st_size < HEADER_BYTES:
        return True
    with log.open("rb") as file:
        return not any(any(chunk) for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))
