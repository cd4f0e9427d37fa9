"""Remembers how far a file's import has come, so that an interrupted import goes on and counts nothing twice.

The journal may be behind the truth but never ahead of it: it is written before the first batch is sent and after
batches are confirmed. What it does not know yet is sent again under the same ids, and answered from the adder's memory.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from sumflow.client.lines import LINES_PER_BLOCK
from sumflow.errors import SumflowError, UsageError

_HEAD_BYTES: Final = 1 << 16
LISTED_REJECTIONS: Final = 20
"""Rejected lines that are kept for the final summary; all of them go to the file of --rejects."""
_LANES_KEPT: Final = 100
_UNKNOWN_LINES: Final = 100 * LINES_PER_BLOCK
"""More than can be confirmed between two writes of the journal, and in flight when an import stops."""
RESUMABLE_FOR_S: Final = 6 * 86_400.0
"""The adder keeps request ids for seven days; a day less is certain."""


class FileIdentity(msgspec.Struct, frozen=True):
    """What tells that a file is still the one whose import began."""

    path: str
    size: int
    modified_ns: int
    head_sha256: str

    @classmethod
    def of(cls, path: Path) -> FileIdentity | None:
        """Look at a file; None for a pipe or a device, which can be read only once.

        Raises:
            UsageError: it cannot be read.
        """
        try:
            if not (stat.S_ISREG(path.stat().st_mode) or path.is_dir()):
                return None
            with path.open("rb") as file:
                seen = os.fstat(file.fileno())
                digest = hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        return cls(str(path.resolve()), seen.st_size, seen.st_mtime_ns, digest)


class RejectedLine(msgspec.Struct, frozen=True):
    """A line that is not counted, its text shortened, and why."""

    line: int
    text: str
    reason: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import has come: everything before `next_line` is stored by the adder, or rejected.

    It is a value, replaced as a whole: an interruption sees the one before or the one after, never half of both.
    """

    import_id: str
    next_line: int = 1
    offset: int = 0
    header_open: bool = True
    accepted: int = 0
    rejected: int = 0
    added: str = "0"
    """The sum of everything accepted; text, because it may exceed the 64 bits that other JSON readers keep."""
    total_before: str | None = None
    first_rejected: tuple[RejectedLine, ...] = ()
    rejects_size: int = 0
    """Bytes of the file of --rejects that belong to the lines before `next_line`."""
    positions: Mapping[str, int] = {}
    """Lane to the highest seq stored there: the total includes the import when it includes all of them."""

    def with_position(self, position: str) -> Mapping[str, int]:
        """Return the positions with one more; of very many lanes the latest are kept, the older are long counted."""
        if not position:
            return self.positions
        lane, _, seq = position.rpartition(":")
        others = [(known, at) for known, at in self.positions.items() if known != lane]
        # A batch that is sent again may be stored behind a later one, whose answer then comes with the lower seq.
        highest = max(int(seq), self.positions.get(lane, 0))
        return dict([*others[1 - _LANES_KEPT :], (lane, highest)])


class _Entry(msgspec.Struct):
    file: FileIdentity
    progress: Progress
    saved_at: float
    """Seconds since the epoch."""


class Journal:
    """The journal of one file's import.

    Args:
        path: the journal's own file.
        identity: the file that is imported.
    """

    def __init__(self, path: Path, identity: FileIdentity) -> None:
        self._path = path
        self._identity = identity

    def resume(self) -> Progress | None:
        """Return how far an earlier import of this very file came; raise UsageError if the file is another by now."""
        try:
            entry = msgspec.json.decode(self._path.read_bytes(), type=_Entry)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UsageError(f"the import journal {self._path} is broken", why=str(error), remedy=_RESTART) from error
        done = entry.progress.next_line - 1
        if (age_s := time.time() - entry.saved_at) > RESUMABLE_FOR_S:
            raise UsageError(
                f"the import of {self._identity.path} stopped {age_s / 86_400:.0f} days ago after line {done:,}",
                why=f"the adder may have forgotten which of the next {_UNKNOWN_LINES:,} lines it has already counted",
                remedy=f"the lines after {done + _UNKNOWN_LINES:,} can be added as a file of their own; {_RESTART}",
            )
        if entry.file != self._identity:
            raise UsageError(
                f"{self._identity.path} has changed since its import stopped after line {done:,}",
                why="going on could count lines twice or miss some",
                remedy=f"restore the file as it was to go on; {_RESTART}",
            )
        return entry.progress

    def save(self, progress: Progress) -> None:
        """Write the journal, durably and as a whole."""
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(_Entry(self._identity, progress, time.time())))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            raise SumflowError(
                f"cannot write the import journal {self._path}: {error.strerror}",
                remedy="make room for the journal, or see that it can be written",
            ) from error

    def remove(self) -> None:
        """Forget the import: it is complete, or is begun anew."""
        self._path.unlink(missing_ok=True)


_RESTART: Final = "--restart begins again at line 1, and counts again what was counted before"


def _sync_directory(directory: Path) -> None:
    """Make a rename durable (POSIX: fsync of the directory)."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def open_journal(directory: Path, identity: FileIdentity, system: str = "", total: str = "") -> Iterator[Journal]:
    """Open the journal of a file, alone.

    Args:
        directory: where journals are.
        identity: the file.
        system: what tells apart the systems whose imports are kept in this directory; one file goes to each by itself.
        total: the name of the total that the file goes to; it goes to each by itself.

    Raises:
        SumflowError: another process imports the same file now, or no journal can be kept.
    """
    # No path has a NUL: an import into the one total is remembered under the key that it always had.
    named = f"{system}\n{identity.path}{chr(0) + total if total else ''}".encode("utf-8", "surrogateescape")
    key = hashlib.sha256(named).hexdigest()[:32]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / f"{key}.lock").open("ab")
    except OSError as error:
        raise SumflowError(
            f"cannot keep an import journal in {directory}: {error.strerror}",
            why="without it an interrupted import could not go on exactly",
            remedy="give a directory that can be written with --data-dir",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SumflowError(
                f"{identity.path} is being imported by another process",
                remedy="wait until it is done; a file is imported by one process at a time",
            ) from error
        yield Journal(directory / f"{key}.json", identity)


def new_progress() -> Progress:
    """Begin an import under an id of its own."""
    return Progress(import_id=uuid.uuid4().hex)
