"""Strimzi's install files come verified, once, and from where the user put them if there is no network."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sumflow.cluster import fetch
from sumflow.cluster.install import DigestError
from sumflow.errors import SumflowError
from sumflow.topology.model import StrimziRelease

PATH = "install/cluster-operator/060-Deployment.yaml"
CONTENT = b"kind: Deployment\n"
RELEASE = StrimziRelease("9.9.9", "c0ffee", "sumflow-kafka", {PATH: hashlib.sha256(CONTENT).hexdigest()})


class Quiet(SimpleHTTPRequestHandler):
    """Serves a directory and keeps silent about it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve the files of the release's commit in GitHub's place; return the served file."""
    file = tmp_path / "served" / RELEASE.commit / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(fetch, "SOURCE", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(fetch, "ATTEMPTS", 1)
        yield file
        server.shutdown()


def test_files_are_fetched_once(served: Path, tmp_path: Path) -> None:
    """The second run needs no network: the file is in the cache, and verified again."""
    assert fetch.pinned(RELEASE, tmp_path / "cache") == {"060-Deployment.yaml": CONTENT}
    served.unlink()
    assert fetch.pinned(RELEASE, tmp_path / "cache") == {"060-Deployment.yaml": CONTENT}


def test_another_file_in_its_place_is_refused_and_not_kept(served: Path, tmp_path: Path) -> None:
    """What a proxy answered instead never reaches the cache."""
    served.write_bytes(b"<html>please log in</html>")
    with pytest.raises(DigestError):
        fetch.pinned(RELEASE, tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_damaged_cache_is_fetched_anew(served: Path, tmp_path: Path) -> None:
    """A file that was cut off is not believed."""
    fetch.pinned(RELEASE, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").rglob("*.yaml")
    kept.write_bytes(CONTENT[:5])
    assert fetch.pinned(RELEASE, tmp_path / "cache") == {"060-Deployment.yaml": CONTENT}


def test_without_a_network_the_way_out_is_named(served: Path, tmp_path: Path) -> None:
    """The address that failed, and the option for networks without a way out."""
    served.unlink()
    with pytest.raises(SumflowError, match=r"could not be fetched: http://127\.0\.0\.1") as failure:
        fetch.pinned(RELEASE, tmp_path / "cache")
    assert "--strimzi-manifest" in failure.value.remedy


def test_files_that_were_brought_are_verified_too(tmp_path: Path) -> None:
    """In a directory the pinned names are held to their digests; the release's one file is taken as it is."""
    (tmp_path / "060-Deployment.yaml").write_bytes(CONTENT)
    assert fetch.given(tmp_path, RELEASE) == {"060-Deployment.yaml": CONTENT}
    assert fetch.given(tmp_path / "060-Deployment.yaml", RELEASE) == {"060-Deployment.yaml": CONTENT}
    (tmp_path / "060-Deployment.yaml").write_bytes(b"kind: Surprise\n")
    with pytest.raises(DigestError):
        fetch.given(tmp_path, RELEASE)
