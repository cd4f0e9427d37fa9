"""Kafka's jars: exactly those of the lock file, downloaded once, verified, then used without a network.

A jar appears under its name only when its digest is right; an interrupted download is resumed where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import msgspec

from sumflow.errors import UsageError
from sumflow.local.datadir import one_at_a_time

LOCKS: Final = Path(__file__).parent / "locks"


class Jar(msgspec.Struct, frozen=True):
    """One jar: its path in a Maven repository, its digest, its size in bytes."""

    path: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]


class Lock(msgspec.Struct, frozen=True):
    """The jars of one Kafka release."""

    kafka: str
    roots: tuple[str, ...]
    jars: tuple[Jar, ...]

    @property
    def size(self) -> int:
        """All jars together, in bytes."""
        return sum(jar.size for jar in self.jars)


class Progress(Protocol):
    """Hears how many bytes of all are there."""

    def __call__(self, have: int, of: int) -> None:
        """Hear the bytes that are there, and the bytes of all jars."""


def load_lock(version: str) -> Lock:
    """Read the lock of a Kafka release; raise UsageError if SumFlow has none."""
    path = LOCKS / f"kafka-{version}.json"
    if not path.exists():
        known = ", ".join(sorted(p.stem.removeprefix("kafka-") for p in LOCKS.glob("kafka-*.json")))
        raise UsageError(
            f"Kafka {version} is not locked: this machine can run {known}",
            remedy="declare one of these, or add the version to RELEASES in sumflow/local/lock.py and run `make lock`",
        )
    return msgspec.json.decode(path.read_bytes(), type=Lock)


def directory(cache: Path, lock: Lock) -> Path:
    """Return where the jars of a release are kept."""
    return cache / f"kafka-{lock.kafka}"


def paths(cache: Path, lock: Lock) -> tuple[Path, ...]:
    """Return the classpath in the lock's order."""
    return tuple(directory(cache, lock) / jar.name for jar in lock.jars)


def missing(cache: Path, lock: Lock) -> tuple[Jar, ...]:
    """Return the jars that are not there in full; name and size tell, as a jar is named after its digest was seen."""
    home = directory(cache, lock)
    return tuple(jar for jar in lock.jars if size_of(home / jar.name) != jar.size)


def ensure(cache: Path, lock: Lock, progress: Progress | None = None) -> tuple[Path, ...]:
    """Return the classpath, downloading what is not there; raise SumflowError if that is impossible."""
    if missing(cache, lock):
        # Imported when it is needed, which is once: clients for the open internet are slow to import.
        from sumflow.local import downloads

        with one_at_a_time(directory(cache, lock)):
            downloads.obtain(missing(cache, lock), directory(cache, lock), lock.size, progress)
    return paths(cache, lock)


def size_of(path: Path) -> int:
    """Return a file's size in bytes, -1 if there is none."""
    return path.stat().st_size if path.exists() else -1
