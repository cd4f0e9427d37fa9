"""What a registry is asked about an image, and what its answers prove."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sumflow.cluster.registry import Reference, ask


@dataclass
class Registry:
    """A registry with one image, `team/sumflow:1`; `asked` has each request's method and path."""

    address: str = ""
    wants_token: bool = False
    gives_token: bool = True
    asked: list[str] = field(default_factory=list)


def _handler(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            registry.asked.append(f"HEAD {self.path}")
            if registry.wants_token and self.headers.get("Authorization") != "Bearer for-anybody":
                realm = f'Bearer realm="http://{registry.address}/token",service="here",scope="repository:team:pull"'
                self._end(401, **{"WWW-Authenticate": realm})
            else:
                self._end(200 if self.path == "/v2/team/sumflow/manifests/1" else 404)

        def do_GET(self) -> None:
            registry.asked.append(f"GET {self.path}")
            body = b'{"token": "for-anybody"}' if registry.gives_token else b""
            self._end(200 if body else 403, **{"Content-Length": str(len(body))})
            self.wfile.write(body)

        def _end(self, code: int, **headers: str) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    return Handler


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Return a registry that listens."""
    found = Registry()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(found)) as server:
        found.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def test_an_image_is_there_or_is_not(registry: Registry) -> None:
    """A tag that the registry has, and one that it has not, told with the registry's name."""
    assert ask(f"{registry.address}/team/sumflow:1").there is True
    missing = ask(f"{registry.address}/team/sumflow:2")
    assert (missing.there, missing.told) == (False, f"{registry.address} answers 404")


def test_a_token_is_asked_for_as_anybody(registry: Registry) -> None:
    """A registry that wants a token gives one to strangers, for the scope that it names."""
    registry.wants_token = True
    assert ask(f"{registry.address}/team/sumflow:1").there is True
    assert "GET /token?service=here&scope=repository%3Ateam%3Apull" in registry.asked


def test_a_private_image_is_not_known(registry: Registry) -> None:
    """Nodes may have credentials that this machine has not."""
    registry.wants_token, registry.gives_token = True, False
    answer = ask(f"{registry.address}/team/sumflow:1")
    assert (answer.there, answer.told) == (None, f"{registry.address} answers 401")


def test_a_registry_that_does_not_answer_proves_nothing(registry: Registry) -> None:
    """Nodes may reach what this machine does not."""
    answer = ask("127.0.0.1:1/team/sumflow:1")
    assert answer.there is None
    assert answer.told.startswith("127.0.0.1:1 does not answer here")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("team/sumflow:1", "https://registry-1.docker.io/v2/team/sumflow/manifests/1"),
        ("docker.io/sumflow", "https://registry-1.docker.io/v2/library/sumflow/manifests/latest"),
        ("ghcr.io/a/b/sumflow:1.2", "https://ghcr.io/v2/a/b/sumflow/manifests/1.2"),
        ("r.example:5000/sumflow:1@sha256:ab", "https://r.example:5000/v2/sumflow/manifests/sha256:ab"),
        ("localhost:5000/sumflow:1", "http://localhost:5000/v2/sumflow/manifests/1"),
    ],
)
def test_references_are_read_as_engines_read_them(text: str, url: str) -> None:
    """Docker Hub where no registry is named, `latest` where no tag is, a digest before a tag."""
    assert Reference.parse(text).url == url
