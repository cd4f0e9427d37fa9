"""The directory of one system: what is where in it, whose it is, and that only one supervisor works in it.

VERSION              the mark: without it nothing here is ever removed
supervisor.lock      held as long as a supervisor lives
state.json           what runs, for every other command
secrets/ logs/ run/ data/
archive/             links to where the databases' WAL is archived, once there is a backup
backups/             backups, unless they are put elsewhere
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from sumflow.errors import SumflowError, UsageError

FORMAT: Final = 1
LEAST_FREE: Final = 1 << 30
"""Free space in bytes below which nothing is started: Kafka and PostgreSQL fail badly on a full disk."""
_BEFORE_THE_MARK: Final = frozenset({"supervisor.lock", "logs"})
"""What an `up` that was refused may leave in a directory that is not marked yet."""
FOLDERS: Final = ("secrets", "logs", "run", "data")
"""What is kept apart in it."""


class Mark(msgspec.Struct, frozen=True):
    """What the directory says of itself: its format, the profile whose data it holds, the Kafka cluster's id."""

    format: int
    profile: str
    cluster_id: str
    port_base: int | None = None


@dataclass(frozen=True, slots=True)
class DataDir:
    """The places in a data directory."""

    path: Path

    @property
    def mark_file(self) -> Path:
        """The mark."""
        return self.path / "VERSION"

    @property
    def state_file(self) -> Path:
        """What runs."""
        return self.path / "state.json"

    @property
    def lock_file(self) -> Path:
        """The lock of the supervisor."""
        return self.path / "supervisor.lock"

    def log(self, component: str) -> Path:
        """Return a component's log."""
        return self.path / "logs" / f"{component}.log"

    def data(self, component: str) -> Path:
        """Return where a component keeps its data."""
        return self.path / "data" / component

    @property
    def secrets(self) -> Path:
        """Where the secrets' files are, which only the owner reads."""
        return self.path / "secrets"

    def archive(self, component: str) -> Path:
        """Return where a database's WAL is archived: a link to the backups' place, once there is a backup."""
        return self.path / "archive" / component

    def run_file(self, name: str) -> Path:
        """Return the path of a generated configuration."""
        return self.path / "run" / name

    def mark(self) -> Mark | None:
        """Read the mark; None where there is none; raise UsageError for one of another format."""
        try:
            mark = msgspec.json.decode(self.mark_file.read_bytes(), type=Mark)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            written = f'{{"format": {FORMAT}, "profile": "PROFILE", "cluster_id": "ID"}}'
            raise UsageError(
                f"{self.mark_file} is damaged: {error}",
                why="it says which profile the data are of; nothing of them is touched without it",
                remedy=f"write {written} into it, with the cluster.id that data/kafka-0/meta.properties has",
            ) from error
        if mark.format != FORMAT:
            raise UsageError(
                f"{self.path} was made by another version of SumFlow (format {mark.format}, this one is {FORMAT})",
                remedy="use that version, or another --data-dir",
            )
        return mark

    def supervisor(self) -> int | None:
        """Return the process id of the supervisor that lives, whatever the state file says; None if there is none.

        The lock is asked for as one that several may share: who only asks must never be taken for a supervisor.
        """
        if not self.lock_file.exists():
            return None
        with clear_disk_errors(self.path), self.lock_file.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                written = lock.read()
                return int(written) if written.isdigit() else None
        return None

    def require_usable(self) -> None:
        """Raise UsageError if the directory holds something that is not ours, or of another format."""
        with clear_disk_errors(self.path):
            self._claim()
        self.mark()

    def prepare(self, mark: Mark) -> Mark:
        """Create or check the directory for a profile and return its mark; raise UsageError if it cannot be used."""
        with clear_disk_errors(self.path):
            self._claim()
            known = self.mark()
            if known and known.profile != mark.profile:
                raise UsageError(
                    f"{self.path} holds the data of the profile `{known.profile}`, not of `{mark.profile}`",
                    why="another Kafka and another number of copies cannot take over its data",
                    remedy="`sumflow destroy` removes it; another --data-dir keeps both",
                )
            for folder in FOLDERS:
                (self.path / folder).mkdir(exist_ok=True)
            self.secrets.chmod(0o700)
            current = msgspec.structs.replace(mark, cluster_id=known.cluster_id) if known else mark
            write_atomically(self.mark_file, msgspec.json.encode(current))
        self._require_space()
        return current

    def clear_run_files(self) -> None:
        """Remove what an earlier run generated or unpacked; all of it is made anew."""
        with clear_disk_errors(self.path):
            for file in (self.path / "run").iterdir():
                file.unlink()

    def remove_content(self) -> None:
        """Remove everything in the directory, if it is ours; raise UsageError if it is not."""
        if self.mark() is None:
            raise UsageError(f"{self.path} is not a data directory of SumFlow: nothing was removed")
        for entry in self.path.iterdir():
            if entry != self.mark_file:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        self.mark_file.unlink()

    def _claim(self) -> None:
        """Create the directory; refuse one that holds something else."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.mark_file.exists() and {p.name for p in self.path.iterdir()} - _BEFORE_THE_MARK:
            raise UsageError(
                f"{self.path} is not empty and not a data directory of SumFlow",
                remedy="choose another directory with --data-dir",
            )

    def _require_space(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE:
            raise SumflowError(
                f"the disk of {self.path} is nearly full: {free >> 20} MiB are free, needed are {LEAST_FREE >> 20}",
                remedy="free some space, or choose another disk with --data-dir",
            )


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Let only one process of this machine work in a directory; the others wait for it."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def clear_disk_errors(path: Path, option: str = "--data-dir") -> Iterator[None]:
    """Turn the operating system's refusals below a directory into errors; `option` is what names another one."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise SumflowError(
            f"{error.filename or path}: {error.strerror}",
            why="the disk is full" if full else "",
            remedy="free some space" if full else f"choose a directory you can write to with {option}",
        ) from error


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file as a whole or not at all; readers see the old content or the new."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def exclusive(home: DataDir) -> Iterator[bool]:
    """Hold the supervisor's lock and yield True; yield False if another process holds it.

    The kernel frees the lock when its holder dies, however it dies: a lock file that was left behind means nothing.
    """
    with clear_disk_errors(home.path):
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield True
    finally:
        os.close(descriptor)
