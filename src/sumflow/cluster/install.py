"""Strimzi's install files, made ready to apply: each verified against the pinned digest, the namespace set.

The files are made for the namespace `myproject` and set `metadata.namespace` nowhere; their README says to replace it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from sumflow.cluster.objects import Object, Ref
from sumflow.cluster.versions import Version
from sumflow.errors import SumflowError, UsageError
from sumflow.topology.model import StrimziRelease

DEPLOYMENT: Final = "strimzi-cluster-operator"
VERSION_VARIABLE: Final = "STRIMZI_KUBERNETES_VERSION"
"""What a release needs that cannot parse a newer server's /version: `major=1`, newline, `minor=34`."""

_BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")


class DigestError(SumflowError):
    """An install file is not the one that is pinned."""


def verify(path: str, content: bytes, release: StrimziRelease) -> bytes:
    """Return the content of a pinned file; raise DigestError if it is another one.

    Args:
        path: the file's path at the commit.
        content: what was fetched or read.
        release: the pin.
    """
    found, wanted = hashlib.sha256(content).hexdigest(), release.files[path]
    if found != wanted:
        raise DigestError(
            f"{PurePosixPath(path).name} is not the file that Strimzi {release.version} was pinned with",
            why=f"its sha256 is {found}, pinned is {wanted}; nothing of it was applied",
            remedy="a proxy may have answered in its place: fetch the files elsewhere and use `--strimzi-manifest DIR`",
        )
    return content


def parse(contents: Mapping[str, bytes]) -> list[Object]:
    """Read the objects of install files, by file name; raise UsageError for what is no manifest."""
    found: list[Object] = []
    for name in sorted(contents):
        try:
            documents = list(yaml.load_all(contents[name], Loader=_LOADER))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"{name} is not valid YAML: {error}") from error
        found += [_object(name, each) for each in documents if each is not None]
    return found


def prepared(objects: Iterable[Object], release: StrimziRelease, server: Version) -> Sequence[Object]:
    """Return the objects as they are applied: namespace set, and the server's version told where the release needs it.

    Raises:
        UsageError: the objects are not those of the pinned release.
    """
    made = in_namespace(objects, release)
    operator = next((each for each in made if Ref.of(each).name == DEPLOYMENT and each["kind"] == "Deployment"), None)
    if operator is None:
        raise UsageError(
            f"there is no Deployment {DEPLOYMENT} in the Strimzi manifest",
            remedy=f"give the directory install/cluster-operator of Strimzi {release.version}, or its release file",
        )
    _must_be(release, operator)
    if needs_version(release, server):
        container = operator["spec"]["template"]["spec"]["containers"][0]
        told = {"name": VERSION_VARIABLE, "value": f"major={server.major}\nminor={server.minor}"}
        container["env"] = [*(e for e in container.get("env", ()) if e["name"] != VERSION_VARIABLE), told]
    return made


def in_namespace(objects: Iterable[Object], release: StrimziRelease) -> list[dict[str, Any]]:
    """Return the objects in the release's namespace: in their metadata, and in the subjects of all bindings."""
    return [_in_namespace(each, release.namespace) for each in objects]


def needs_version(release: StrimziRelease, server: Version) -> bool:
    """Tell whether the release must be told the server's version."""
    first = release.kubernetes_version_override_from
    return bool(first) and server >= Version.parse(first)


def _object(name: str, document: Any) -> Object:
    if not isinstance(document, dict) or not {"apiVersion", "kind", "metadata"} <= document.keys():
        raise UsageError(f"{name} holds something that is not a Kubernetes object")
    return document


def _in_namespace(found: Object, namespace: str) -> dict[str, Any]:
    made = {**found, "metadata": dict(found["metadata"])}
    if Ref.of(found).how.namespaced:
        made["metadata"]["namespace"] = namespace
    if found["kind"] in _BINDINGS:
        made["subjects"] = [
            {**each, "namespace": namespace} if each.get("kind") == "ServiceAccount" else each
            for each in found.get("subjects", ())
        ]
    return made


def _must_be(release: StrimziRelease, operator: Object) -> None:
    image = str(operator["spec"]["template"]["spec"]["containers"][0]["image"])
    if not image.split("@")[0].endswith(f":{release.version}"):
        raise UsageError(
            f"the Strimzi manifest is for the image {image}, but this profile pins Strimzi {release.version}",
            remedy=f"give the install files of {release.version}, or deploy the profile that pins the other release",
        )


_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
