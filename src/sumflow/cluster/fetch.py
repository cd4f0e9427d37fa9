"""Brings Strimzi's pinned install files: from the cache, from the network, or from where the user put them.

What is fetched is compared with the pinned digest before anything else looks at it, and kept: the next run needs no
network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Final

import httpx
import tenacity

from sumflow.cluster import install
from sumflow.errors import SumflowError, UsageError
from sumflow.topology.model import StrimziRelease

SOURCE: Final = "https://raw.githubusercontent.com/strimzi/strimzi-kafka-operator"
TIMEOUT_S: Final = 20.0
ATTEMPTS: Final = 4
PARALLEL: Final = 8


def pinned(release: StrimziRelease, cache: Path) -> dict[str, bytes]:
    """Return the pinned install files by name, each verified.

    Raises:
        SumflowError: a file could not be fetched.
        DigestError: a file is not the pinned one.
    """
    directory = cache / "strimzi" / f"{release.version}-{release.commit[:12]}"
    directory.mkdir(parents=True, exist_ok=True)
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as http, ThreadPoolExecutor(PARALLEL) as pool:
        contents = pool.map(lambda path: _one(path, release, directory, http), release.files)
        return {PurePosixPath(path).name: content for path, content in zip(release.files, contents, strict=True)}


def given(source: Path, release: StrimziRelease) -> dict[str, bytes]:
    """Return the install files that the user brought: a directory of them, or the release's one file.

    Files with a pinned name are verified; the release's one file has no digest of its own (its order is not fixed), so
    that the user answers for it.
    """
    if source.is_file():
        return {source.name: source.read_bytes()}
    if not source.is_dir():
        raise UsageError(
            f"there is no file or directory {source}", remedy="give Strimzi's install files or their directory"
        )
    contents = {path.name: path.read_bytes() for path in sorted(source.glob("*.yaml"))}
    by_name = {PurePosixPath(path).name: path for path in release.files}
    return {n: install.verify(by_name[n], c, release) if n in by_name else c for n, c in contents.items()}


def _one(path: str, release: StrimziRelease, directory: Path, http: httpx.Client) -> bytes:
    kept = directory / PurePosixPath(path).name
    with contextlib.suppress(OSError, install.DigestError):
        return install.verify(path, kept.read_bytes(), release)
    content = install.verify(path, _download(f"{SOURCE}/{release.commit}/{path}", http), release)
    part = kept.with_suffix(".part")
    part.write_bytes(content)
    part.replace(kept)
    return content


def _download(url: str, http: httpx.Client) -> bytes:
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(httpx.HTTPError),
        wait=tenacity.wait_exponential(multiplier=0.5, max=5),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
    try:
        answer: httpx.Response = attempts(lambda: http.get(url).raise_for_status())
    except httpx.HTTPError as error:
        raise SumflowError(
            f"Strimzi's install file could not be fetched: {url}",
            why=str(error) or type(error).__name__,
            remedy="without a way out, fetch Strimzi's install files elsewhere and use `--strimzi-manifest DIR`",
        ) from error
    return answer.content


def files(release: StrimziRelease, cache: Path, source: Path | None) -> Mapping[str, bytes]:
    """Return the install files, from `source` where the user named one."""
    return given(source, release) if source else pinned(release, cache)
