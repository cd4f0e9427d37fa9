"""Kafka's jars: what is locked is what is used, however badly the network behaves."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tenacity

from sumflow.errors import SumflowError, UsageError
from sumflow.local import jars, lock, mirrors
from sumflow.local.jars import Jar, Lock

CONTENT = bytes(range(256)) * 4096


class Repository(ThreadingHTTPServer):
    """A Maven repository that misbehaves on request.

    `cut` answers break off half-way; `answers` replaces the content; `asked` records path and Range of each request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.cut = 0
        self.unavailable = 0
        self.answers = CONTENT
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        """The repository's address."""
        return f"http://127.0.0.1:{self.server_address[1]}/maven"


class _Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        """Answer with the whole content, the rest of it, or half of that."""
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if self.server.unavailable:
            self.server.unavailable -= 1
            self.send_error(503)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        rest = self.server.answers[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.server.cut:
            self.server.cut -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Say nothing."""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    """A repository that the code under test downloads from; retries do not wait."""
    server = Repository()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(mirrors, "repositories", lambda: (server.url,))
    monkeypatch.setattr(mirrors, "local_repository", lambda: tmp_path / "m2")
    monkeypatch.setattr(tenacity.wait_random_exponential, "__call__", lambda *_: 0.0)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def locked(*names: str) -> Lock:
    """Return a lock of jars with the repository's content."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    found = tuple(Jar(f"org/example/{name}/1/{name}-1.jar", digest, len(CONTENT)) for name in names)
    return Lock("9.9.9", (), found)


def test_downloaded_once_then_never_again(repository: Repository, tmp_path: Path) -> None:
    """The second time nothing is asked: an `up` works without a network."""
    wanted = locked("a", "b")
    seen: list[tuple[int, int]] = []
    paths = jars.ensure(tmp_path, wanted, lambda have, of: seen.append((have, of)))
    assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]
    assert seen == [(len(CONTENT), wanted.size), (wanted.size, wanted.size)]
    repository.asked.clear()
    assert jars.ensure(tmp_path, wanted) == paths
    assert repository.asked == []


def test_an_interrupted_download_goes_on_where_it_stopped(repository: Repository, tmp_path: Path) -> None:
    """After a broken connection only the rest is asked for."""
    repository.cut = 1
    jars.ensure(tmp_path, locked("a"))
    path = "/maven/org/example/a/1/a-1.jar"
    assert repository.asked == [(path, None), (path, f"bytes={len(CONTENT) // 2}-")]


def test_a_server_that_is_away_for_a_moment_is_asked_again(repository: Repository, tmp_path: Path) -> None:
    """Two 503 answers delay the download, nothing else."""
    repository.unavailable = 2
    assert jars.ensure(tmp_path, locked("a"))[0].read_bytes() == CONTENT


def test_what_is_not_locked_is_never_used(repository: Repository, tmp_path: Path) -> None:
    """Another content under the same name is refused, and no file of that name appears."""
    repository.answers = b"x" * len(CONTENT)
    with pytest.raises(SumflowError, match=r"a-1\.jar") as raised:
        jars.ensure(tmp_path, locked("a"))
    assert "digest" in raised.value.why
    assert raised.value.remedy
    assert not list(jars.directory(tmp_path, locked()).glob("*.jar*"))


def test_a_damaged_rest_is_downloaded_anew(repository: Repository, tmp_path: Path) -> None:
    """A partial file that does not fit what follows costs one more attempt, not an error."""
    part = jars.directory(tmp_path, locked()) / "a-1.jar.part"
    part.parent.mkdir()
    part.write_bytes(b"not the beginning")
    assert jars.ensure(tmp_path, locked("a"))[0].read_bytes() == CONTENT
    assert len(repository.asked) == 2


def test_a_truncated_jar_is_replaced(repository: Repository, tmp_path: Path) -> None:
    """A jar of the wrong size does not count as there."""
    path = jars.ensure(tmp_path, locked("a"))[0]
    path.write_bytes(CONTENT[:100])
    assert jars.missing(tmp_path, locked("a")) == locked("a").jars
    assert jars.ensure(tmp_path, locked("a"))[0].read_bytes() == CONTENT
    assert repository.asked


@pytest.mark.parametrize(("content", "requests"), [(CONTENT, 0), (b"y" * len(CONTENT), 1)])
def test_the_users_maven_repository_saves_the_network(
    repository: Repository, tmp_path: Path, content: bytes, requests: int
) -> None:
    """A jar that Maven has already is taken from there if its digest is right, and only then."""
    here = tmp_path / "m2" / locked("a").jars[0].path
    here.parent.mkdir(parents=True)
    here.write_bytes(content)
    assert jars.ensure(tmp_path, locked("a"))[0].read_bytes() == CONTENT
    assert len(repository.asked) == requests


def test_every_release_that_is_declared_is_locked() -> None:
    """Each lock is complete: digests, sizes, unique names, and the roots among the jars."""
    for version, roots in lock.RELEASES.items():
        found = jars.load_lock(version)
        assert (found.kafka, found.roots) == (version, roots)
        assert len({jar.name for jar in found.jars}) == len(found.jars)
        assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in found.jars)
        for root in roots:
            _, artifact, release = root.split(":")
            assert f"{artifact}-{release}.jar" in {jar.name for jar in found.jars}


def test_an_unlocked_version_is_refused_with_those_there_are() -> None:
    """A Kafka that cannot be verified is not run."""
    with pytest.raises(UsageError, match=r"3\.7\.0, 4\.3\.1"):
        jars.load_lock("1.0.0")


@pytest.mark.parametrize(
    ("covered", "used"),
    [("central", True), ("*", True), ("external:*", True), ("*,!central", False), ("other", False)],
)
def test_mirrors_are_chosen_as_maven_chooses_them(covered: str, used: bool) -> None:
    """A mirror counts when its `mirrorOf` covers Central."""
    settings = f"""<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors><mirror>
        <id>m</id><url>https://mirror.example/maven/</url><mirrorOf>{covered}</mirrorOf></mirror></mirrors></settings>"""
    assert mirrors.mirror_of_central(settings) == ("https://mirror.example/maven" if used else None)
