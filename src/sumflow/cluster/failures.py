"""What the API server refuses, told with its remedy: who is not known, what is not allowed, which field is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from sumflow.cluster import conflicts
from sumflow.cluster.objects import Ref
from sumflow.errors import NotRunningError, SumflowError

_FORBIDDEN: Final = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
_LOG_IN: Final = "log in again as your provider says; `kubectl auth whoami` tells whether it worked"
_WEBHOOK: Final = re.compile(r'failed calling webhook "([^"]+)"')


class UnreachableError(NotRunningError):
    """The API server does not answer."""


class UnauthorisedError(SumflowError):
    """The API server does not know who asks."""


class ForbiddenError(SumflowError):
    """The API server knows who asks, and does not allow it."""


class RefusedError(SumflowError):
    """The API server does not accept the object or the request."""


def unreachable(server: str, cause: Exception) -> UnreachableError:
    """Return the error for a server that does not answer, or that is not the one whose certificate is known."""
    why = _root(cause)
    if "certificate verify failed" in why.casefold() or "certificate_verify_failed" in why.casefold():
        return UnreachableError(
            f"the Kubernetes API server {server} is not the one that the kubeconfig describes",
            why=why,
            remedy="its certificate-authority is of another cluster, or outdated: get the kubeconfig anew",
        )
    return UnreachableError(
        f"the Kubernetes API server {server} does not answer",
        why=why,
        remedy="`kubectl cluster-info` tells whether it is the network; `--context` chooses another cluster",
    )


def refused(code: int, body: bytes, what: str, ref: Ref | None) -> SumflowError:
    """Return the error for an answer of 400 or above.

    Args:
        code: the HTTP status.
        body: the answer: a meta/v1 Status, or text.
        what: the request, as `apply Deployment sumflow/adder`.
        ref: the object it is about.
    """
    status = _status(body)
    message = str(status.get("message", "")).strip() or body.decode(errors="replace").strip()
    if code == 401:
        return UnauthorisedError(f"the API server does not know who you are: {message}", why=what, remedy=_LOG_IN)
    if code == 403:
        return _forbidden(message, what, ref)
    if code == 409 and ref and (found := conflicts.read(status)):
        return conflicts.ConflictError(ref, found)
    causes = (status.get("details") or {}).get("causes") or ()
    lines = [f"{each.get('field', '')}: {each.get('message', '')}".strip(": ") for each in causes]
    return RefusedError(
        f"the API server refused to {what} ({code})", why="\n".join(lines) or message, remedy=_remedy(code, message)
    )


def not_logged_in(said: str) -> UnauthorisedError:
    """Return the error for a kubeconfig whose login program failed."""
    return UnauthorisedError("the kubeconfig's login program failed", why=said, remedy=_LOG_IN)


def _forbidden(message: str, what: str, ref: Ref | None) -> SumflowError:
    if "exceeded quota" in message:
        where = f" -n {ref.namespace}" if ref and ref.namespace else ""
        remedy = f"raise the quota or free some of it: `kubectl describe resourcequota{where}`"
        return RefusedError(f"a quota does not allow to {what}", why=message, remedy=remedy)
    if "being terminated" in message:
        remedy = "wait until it is gone, then run the same command again"
        return RefusedError(f"cannot {what}: its namespace is being deleted", why=message, remedy=remedy)
    match = _FORBIDDEN.search(message)
    if match is None:
        remedy = "read the message above: an admission rule of this cluster decided it"
        return ForbiddenError(f"not allowed to {what}", why=message, remedy=remedy)
    if match["user"] == "system:anonymous":
        why = f"asked as nobody: the kubeconfig has no credentials; needed to {what}"
        return UnauthorisedError("the API server does not know who you are", why=why, remedy=_LOG_IN)
    resource = f"{match['resource']}{'.' if match['group'] else ''}{match['group']}"
    where = f"in the namespace {match['namespace']}" if match["namespace"] else "in the whole cluster"
    return ForbiddenError(
        f"{match['user']} may not {match['verb']} {resource} {where}",
        why=f"needed to {what}",
        remedy="ask an administrator for the roles in k8s/rbac (docs/kubernetes.md, Least privilege)",
    )


def _remedy(code: int, message: str) -> str:
    if match := _WEBHOOK.search(message):
        return (
            f"the admission webhook {match[1]} does not answer: see the pods behind it (kubectl get "
            "validatingwebhookconfigurations,mutatingwebhookconfigurations names them), then run the same command again"
        )
    if code == 404 and "page not found" in message:
        return "this cluster does not serve that kind: its definition is not installed, or the server is too old"
    if code == 404 and "namespaces" in message:
        return "the namespace is not there: `sumflow deploy` makes it"
    return "correct the manifest and run the command again" if code in (400, 422) else "run the same command again"


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _root(cause: BaseException) -> str:
    """Return what is at the bottom of a chain of errors: libraries wrap `connection refused` several times."""
    below = cause.__cause__ or cause.__context__
    for _ in range(8):
        if below is None:
            break
        cause, below = below, below.__cause__ or below.__context__
    return str(cause)
