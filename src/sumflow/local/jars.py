"""Kafka's jars: exactly those of the lock file, downloaded once, verified, then used without a network.

A jar appears under its name only when its digest is right; an interrupted download is resumed where it stopped.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

import httpx
import msgspec
import tenacity

from sumflow.errors import SumflowError, UsageError
from sumflow.local import mirrors
from sumflow.local.datadir import one_at_a_time

LOCKS: Final = Path(__file__).parent / "locks"
_AT_ONCE: Final = 6
_ATTEMPTS: Final = 5
_CHUNK: Final = 1 << 18


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
    return tuple(jar for jar in lock.jars if _size(home / jar.name) != jar.size)


def ensure(cache: Path, lock: Lock, progress: Progress | None = None) -> tuple[Path, ...]:
    """Return the classpath, downloading what is not there; raise SumflowError if that is impossible."""
    if missing(cache, lock):
        with one_at_a_time(directory(cache, lock)):
            _obtain_all(missing(cache, lock), directory(cache, lock), lock.size, progress)
    return paths(cache, lock)


def _obtain_all(absent: tuple[Jar, ...], home: Path, size: int, progress: Progress | None) -> None:
    have = size - sum(jar.size for jar in absent)
    repositories = mirrors.repositories()
    with _client() as client, ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for more in pool.map(lambda jar: _obtain(client, repositories, home, jar), absent):
                have += more
                if progress:
                    progress(have, size)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _client() -> httpx.Client:
    """Return a client that trusts the public authorities and those of the system, such as a company's own."""
    trust = httpx.create_ssl_context()
    trust.load_default_certs()
    return httpx.Client(follow_redirects=True, timeout=30.0, verify=trust)


def _obtain(client: httpx.Client, repositories: tuple[str, ...], home: Path, jar: Jar) -> int:
    """Bring one jar into place and return its size; the user's Maven repository saves the network where it has it."""
    target = home / jar.name
    local = mirrors.local_repository() / jar.path
    part = target.with_name(target.name + ".part")
    if _size(local) == jar.size and _digest(local) == jar.sha256:
        part.write_bytes(local.read_bytes())
    else:
        _download(client, repositories, jar, part)
    part.replace(target)
    return jar.size


def _download(client: httpx.Client, repositories: tuple[str, ...], jar: Jar, part: Path) -> None:
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((httpx.HTTPError, _DigestError)),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    try:
        retrying(_attempt_each, client, repositories, jar, part)
    except (httpx.HTTPError, _DigestError) as error:
        raise SumflowError(
            f"{jar.name} could not be downloaded",
            why=f"{error} (tried {_ATTEMPTS} times at {', '.join(repositories)})",
            remedy="check the network and run the same command again: it goes on where it stopped; "
            "a mirror is taken from ~/.m2/settings.xml",
        ) from error


class _DigestError(Exception):
    """What was downloaded is not what is locked."""


def _attempt_each(client: httpx.Client, repositories: tuple[str, ...], jar: Jar, part: Path) -> None:
    """Try the repositories in order; the last one's failure counts."""
    for repository in repositories[:-1]:
        try:
            return _attempt(client, f"{repository}/{jar.path}", jar, part)
        except (httpx.HTTPError, _DigestError):
            continue
    return _attempt(client, f"{repositories[-1]}/{jar.path}", jar, part)


def _attempt(client: httpx.Client, url: str, jar: Jar, part: Path) -> None:
    """Download the rest of one jar and check it."""
    have = max(_size(part), 0)
    if have < jar.size:
        headers = {"Range": f"bytes={have}-"} if have else {}
        with client.stream("GET", url, headers=headers) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
            with part.open("ab" if resumed else "wb") as file:
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
    found = _digest(part)
    if found != jar.sha256:
        part.unlink()
        raise _DigestError(f"{url} has the digest {found}, locked is {jar.sha256}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    """Return a file's size in bytes, -1 if there is none."""
    return path.stat().st_size if path.exists() else -1
