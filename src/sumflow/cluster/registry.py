"""Asks a registry, as anybody may, whether it has an image: a misspelt tag is then found before anything is created.

What is asked is one HEAD of the manifest (OCI Distribution Specification, "Checking if content exists in the
registry"), with an anonymous token where the registry wants one (distribution.github.io/distribution/spec/auth/token).
Nodes may reach registries that this machine does not, and hold credentials that it has not: such answers prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx

from sumflow.cluster.preflight import ImageAnswer

TIMEOUT_S: Final = 4.0

_DOCKER_HUB: Final = "registry-1.docker.io"
_KINDS: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_LOCAL: Final = re.compile(r"(localhost|127\.0\.0\.1)(:\d+)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """An image as the registry's API names it: `version` is a tag, or a digest."""

    registry: str
    repository: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference as container engines do: without a registry it is Docker Hub's, without a tag `latest`."""
        name, _, digest = text.partition("@")
        head, slash, rest = name.partition("/")
        registry, path = (head, rest) if slash and re.search(r"[.:]|^localhost$", head) else (_DOCKER_HUB, name)
        path, _, tag = path.partition(":")
        registry = _DOCKER_HUB if registry == "docker.io" else registry
        path = f"library/{path}" if registry == _DOCKER_HUB and "/" not in path else path
        return cls(registry, path, digest or tag or "latest")

    @property
    def url(self) -> str:
        """The manifest's address; a registry on this machine is spoken to without TLS, as container engines do."""
        scheme = "http" if _LOCAL.fullmatch(self.registry) else "https"
        return f"{scheme}://{self.registry}/v2/{self.repository}/manifests/{self.version}"


def ask(image: str) -> ImageAnswer:
    """Ask the image's registry; an answer that proves nothing says why."""
    reference = Reference.parse(image)
    try:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, headers={"Accept": _KINDS}) as http:
            answer = http.head(reference.url)
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                answer = http.head(reference.url, headers=_token(http, answer.headers.get("WWW-Authenticate", "")))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return ImageAnswer(None, f"{reference.registry} does not answer here: {error}")
    if answer.is_success:
        return ImageAnswer(True, "")
    told = f"{reference.registry} answers {answer.status_code}"
    return ImageAnswer(False if answer.status_code == HTTPStatus.NOT_FOUND else None, told)


def _token(http: httpx.Client, challenge: str) -> Mapping[str, str]:
    """Get the token that anybody gets; none where the registry offers none to strangers."""
    asked = dict(_PARAMETER.findall(challenge))
    if not challenge.startswith("Bearer") or "realm" not in asked:
        return {}
    answer = http.get(asked["realm"], params={key: asked[key] for key in ("service", "scope") if key in asked})
    given = answer.json() if answer.is_success else {}
    token = given.get("token") or given.get("access_token")
    return {"Authorization": f"Bearer {token}"} if token else {}
