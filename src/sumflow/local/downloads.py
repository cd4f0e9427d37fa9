"""Brings jars from a Maven repository into the cache: resumed, retried, verified, and whole or not at all."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx
import tenacity

from sumflow.errors import SumflowError
from sumflow.local import mirrors
from sumflow.local.jars import Jar, Progress, size_of

_AT_ONCE: Final = 6
_ATTEMPTS: Final = 5
_CHUNK: Final = 1 << 18


def obtain(absent: tuple[Jar, ...], home: Path, size: int, progress: Progress | None) -> None:
    """Bring absent jars into a directory; `size` is that of all jars, in bytes, for the progress."""
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
    if size_of(local) == jar.size and _digest(local) == jar.sha256:
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
    have = max(size_of(part), 0)
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
