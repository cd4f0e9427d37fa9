"""The one door to the API server: each call with a time limit, each refusal with its remedy.

A server that goes away in the middle of a run (a restart, a failover) is waited for: every call made here may be
repeated.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import tenacity
import urllib3
import yaml
from kubernetes import client as api
from kubernetes import config
from kubernetes.config.config_exception import ConfigException

from sumflow.cluster import failures
from sumflow.cluster.demand import Permission
from sumflow.cluster.objects import FIELD_MANAGER, STRIMZI, Object, Ref
from sumflow.cluster.verdict import Speaker
from sumflow.cluster.versions import Version
from sumflow.errors import SumflowError, UsageError

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0
PATIENCE_S: Final = 60.0
"""How long a server that answered before is waited for."""
PAGE: Final = 500
MAX_PAGES: Final = 100

_BUSY: Final = frozenset({429, 503, 504})
_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


class BusyError(SumflowError):
    """The API server asks to come back later."""


class Cluster:
    """A cluster, as one kubeconfig context reaches it.

    Args:
        configuration: the official client's, with address and credentials.
        context: the context's name, for messages.
    """

    def __init__(self, configuration: api.Configuration, context: str) -> None:
        # A name of which nothing is left to try is told at once; whether to try again is decided here, not in urllib3.
        configuration.retries = False
        self.configuration = configuration
        self.context = context
        self._api = api.ApiClient(configuration)
        self._patience_s = 0.0

    @classmethod
    def connect(cls, context: str | None = None) -> Cluster:
        """Reach the cluster of a kubeconfig context, the current one where none is named; in a pod, the pod's own.

        Raises:
            UsageError: there is no kubeconfig, or no such context.
            SumflowError: the server does not answer, or does not know who asks.
        """
        configuration = api.Configuration()
        name = _load(configuration, context)
        found = cls(configuration, name)
        found.version()
        found._patience_s = PATIENCE_S
        return found

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self.configuration.host)

    def version(self) -> Version:
        """Return the server's version."""
        return Version.answered(self._json("GET", "/version", what="ask for the version"))

    def get(self, ref: Ref) -> Object | None:
        """Return an object; None if it, its namespace or its kind is not there."""
        found: Object | None = self._found("GET", ref.path, what=f"get {ref}", ref=ref)
        return found

    def list(self, ref: Ref, *, labels: str = "", fields: str = "") -> tuple[Object, ...]:
        """Return all objects of the kind and namespace of `ref`, whose name does not matter."""
        return tuple(self._pages(ref, {"labelSelector": labels, "fieldSelector": fields}))

    def apply(
        self, found: Object, *, dry_run: bool = False, force: bool = False, manager: str = FIELD_MANAGER
    ) -> Object:
        """Apply an object server-side, as a field manager; return it as it is then.

        Raises:
            ConflictError: another manager owns one of the fields with another value, and `force` is not said.
        """
        ref = Ref.of(found)
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        applied: Object = self._json("PATCH", ref.path, query, found, content=_APPLY, what=f"apply {ref}", ref=ref)
        return applied

    def merge(self, ref: Ref, change: Object, *, below: str = "", manager: str = FIELD_MANAGER) -> Object:
        """Change some fields of an object that is there; `below` names a subresource, as `status`."""
        path = f"{ref.path}/{below}" if below else ref.path
        query = {"fieldManager": manager}
        changed: Object = self._json("PATCH", path, query, change, content=_MERGE, what=f"change {ref}", ref=ref)
        return changed

    def delete(self, ref: Ref, *, uid: str = "", grace_s: int | None = None) -> None:
        """Begin to delete an object, its dependents first; an object that is gone is no error.

        A resource of Strimzi goes before its dependents: while it waited for them, its operator, which does not look
        whether it is being deleted, would make them anew.
        """
        body: dict[str, Any] = {"propagationPolicy": "Background" if ref.group == STRIMZI else "Foreground"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace_s is not None:
            body["gracePeriodSeconds"] = grace_s
        self._found("DELETE", ref.path, body=body, what=f"delete {ref}", ref=ref)

    def may(self, permission: Permission) -> bool:
        """Ask whether we are allowed something."""
        attributes = {
            "verb": permission.verb,
            "group": permission.group,
            "resource": permission.resource,
            "subresource": permission.subresource,
            "namespace": permission.namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self._json("POST", path, body=review, what="ask for permissions")["status"].get("allowed"))

    def logs(self, speaker: Speaker, lines: int) -> str:
        """Return a container's last log lines; empty if there are none to be had."""
        query = {"container": speaker.container, "tailLines": str(lines), "previous": str(speaker.previous).lower()}
        path = f"/api/v1/namespaces/{speaker.namespace}/pods/{speaker.pod}/log"
        try:
            return (
                self._call("GET", path, query, what=f"read the log of {speaker.pod}").decode(errors="replace").strip()
            )
        except SumflowError:
            # A container that never ran has no log, and a log is never worth a failure of its own.
            return ""

    def _pages(self, ref: Ref, query: Mapping[str, str]) -> Iterator[Object]:
        more = ""
        for _ in range(MAX_PAGES):
            asked = {**query, "limit": str(PAGE), "continue": more}
            found = self._found("GET", ref.collection, asked, what=f"list {ref.resource}", ref=ref) or {}
            yield from found.get("items") or ()
            more = str((found.get("metadata") or {}).get("continue") or "")
            if not more:
                return

    def _found(self, *args: Any, ref: Ref, **kwargs: Any) -> Any:
        try:
            return self._json(*args, ref=ref, **kwargs)
        except _AbsentError:
            return None

    def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Object | None = None, **more: Any
    ) -> Any:
        return json.loads(self._call(method, path, query or {}, body, **more))

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        *,
        content: str = _JSON,
        what: str,
        ref: Ref | None = None,
    ) -> bytes:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((BusyError, failures.UnreachableError)),
            wait=tenacity.wait_exponential(multiplier=0.1, max=2),
            stop=tenacity.stop_after_delay(self._patience_s),
            reraise=True,
        )
        return attempts(self._once, method, path, query, body, content, what, ref)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        content: str,
        what: str,
        ref: Ref | None,
    ) -> bytes:
        asked = urlencode({key: value for key, value in query.items() if value})
        headers = {"Accept": _JSON if not path.endswith("/log") else "*/*", "Content-Type": content}
        request = self._api.param_serialize(
            method,
            f"{path}?{asked}" if asked else path,
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._api.call_api(*request, _request_timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
            content_read = bytes(answer.read() or b"")
        except (urllib3.exceptions.HTTPError, api.ApiException, OSError) as error:
            raise failures.unreachable(self.server, error) from error
        if answer.status < 400:
            return content_read
        if answer.status in _BUSY or (method == "PATCH" and b"page not found" in content_read):
            # The second is a kind whose definition is established and not served yet: a matter of moments.
            raise BusyError(f"the API server is busy ({answer.status})", why=what, remedy="run the same command again")
        refusal = failures.refused(answer.status, content_read, what, ref)
        if answer.status == 404:
            raise _AbsentError(refusal.what, why=refusal.why, remedy=refusal.remedy)
        raise refusal


class _AbsentError(failures.RefusedError):
    """What was asked for is not there."""


def _load(configuration: api.Configuration, context: str | None) -> str:
    complaints = _Complaints()
    try:
        with complaints.heard():
            config.load_kube_config(context=context, client_configuration=configuration, persist_config=False)
        if complaints.said:
            # The library would go on, and ask as nobody.
            raise failures.not_logged_in(complaints.said[-1])
        return context or str(config.list_kube_config_contexts()[1]["name"])
    except (ConfigException, KeyError, TypeError, yaml.YAMLError) as error:
        if context is None and _in_pod(configuration):
            return "in-cluster"
        raise UsageError(
            f"there is no kubeconfig context {context}"
            if context
            else "there is no kubeconfig to reach a cluster with",
            why=str(error),
            remedy="set KUBECONFIG or name a context with `--context`; `kubectl config get-contexts` lists them",
        ) from error


class _Complaints(logging.Handler):
    """Hears what the official client only logs: that the kubeconfig's login program failed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.said.append(record.getMessage())

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to the root logger, which the client speaks to."""
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)


def _in_pod(configuration: api.Configuration) -> bool:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except ConfigException:
        return False
    return True
