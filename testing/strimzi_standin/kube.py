"""The Kubernetes API as this program uses it: a handful of verbs over one namespace's objects."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from testing.strimzi_standin.names import MANAGER, Object

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WATCH_TIMEOUT_S = 300
KINDS = {
    "ConfigMap": ("v1", "configmaps"),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims"),
    "Pod": ("v1", "pods"),
    "Secret": ("v1", "secrets"),
    "Service": ("v1", "services"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "Deployment": ("apps/v1", "deployments"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "Kafka": ("kafka", "kafkas"),
    "KafkaNodePool": ("kafka", "kafkanodepools"),
    "KafkaTopic": ("kafka", "kafkatopics"),
    "StrimziPodSet": ("core", "strimzipodsets"),
}
"""Kind to apiVersion and plural; the custom resources' versions are those of the release."""


class Kube:
    """A client with the pod's own service account; every method raises httpx.HTTPError."""

    def __init__(self, namespace: str, kafka_api: str, server: str) -> None:
        self._namespace = namespace
        self._versions = {"kafka": kafka_api, "core": kafka_api.replace("kafka.", "core.", 1)}
        tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        self._client = httpx.Client(base_url=server, verify=tls, auth=_with_token, timeout=30)

    def server_minor(self) -> int:
        """Return the minor version of the server."""
        return int(self._json("GET", "/version")["minor"].rstrip("+"))

    def list(self, kind: str, labels: str = "") -> list[Object]:
        """Return the objects of a kind, each complete with its kind and apiVersion."""
        found = self._json("GET", self._path(kind), params={"labelSelector": labels} if labels else {})
        header = {"apiVersion": self._version(kind), "kind": kind}
        return [header | item for item in found["items"]]

    def apply(self, wanted: Object) -> Object:
        """Create or change an object by server-side apply, as the operator's own manager."""
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        body = json.dumps({"apiVersion": self._version(kind), **wanted})
        headers = {"content-type": "application/apply-patch+yaml"}
        params = {"fieldManager": MANAGER, "force": "true"}
        return self._json("PATCH", self._path(kind, name), content=body, headers=headers, params=params)

    def create(self, wanted: Object) -> None:
        """Create an object unless one of that name exists."""
        kind = wanted["kind"]
        body = {"apiVersion": self._version(kind), **wanted}
        answer = self._client.post(self._path(kind), json=body, params={"fieldManager": MANAGER})
        if answer.status_code != httpx.codes.CONFLICT:
            _checked(answer)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, if it is there."""
        answer = self._client.delete(self._path(kind, name))
        if answer.status_code != httpx.codes.NOT_FOUND:
            _checked(answer)

    def merge(self, kind: str, name: str, patch: Object, part: str = "") -> None:
        """Merge `patch` into an object, or into its part such as `status`."""
        path = self._path(kind, name) + (f"/{part}" if part else "")
        headers = {"content-type": "application/merge-patch+json"}
        self._json("PATCH", path, content=json.dumps(patch), headers=headers, params={"fieldManager": MANAGER})

    def watch(self, kind: str, changed: Callable[[], None], labels: str = "") -> None:
        """Call `changed` at once and after every change of an object of this kind, until the server ends the watch."""
        select = {"labelSelector": labels} if labels else {}
        position = self._json("GET", self._path(kind), params=select)["metadata"]["resourceVersion"]
        changed()
        params: dict[str, Any] = {"watch": "true", "resourceVersion": position, "timeoutSeconds": WATCH_TIMEOUT_S}
        timeout = httpx.Timeout(30, read=WATCH_TIMEOUT_S + 30)
        with self._client.stream("GET", self._path(kind), params=params | select, timeout=timeout) as answer:
            for _ in answer.iter_lines():
                changed()

    def _version(self, kind: str) -> str:
        version = KINDS[kind][0]
        return self._versions.get(version, version)

    def _path(self, kind: str, name: str = "") -> str:
        version = self._version(kind)
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return f"{root}/namespaces/{self._namespace}/{KINDS[kind][1]}" + (f"/{name}" if name else "")

    def _json(self, method: str, path: str, **request: Any) -> Object:
        found: Object = _checked(self._client.request(method, path, **request)).json()
        return found


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        request = answer.request
        text = f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:500]}"
        raise httpx.HTTPStatusError(text, request=request, response=answer)
    return answer


def _with_token(request: httpx.Request) -> httpx.Request:
    # read anew each time: the kubelet replaces the token long before it expires
    request.headers["Authorization"] = f"Bearer {(ACCOUNT / 'token').read_text()}"
    return request


def lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of an environment variable that holds one `key=value` a line."""
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals:
            yield key, value
