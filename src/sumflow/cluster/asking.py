"""Asks containers that run and are not ready what keeps them: Kubernetes itself tells only that a probe failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx

from sumflow.cluster import streams
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Object, meta, status
from sumflow.cluster.verdict import Waiting
from sumflow.telemetry.health import HALTED

ANSWER_WITHIN_S: Final = 3.0
_REFUSED: Final = "password authentication failed"
"""PostgreSQL's words to who comes with another password than the database has (`auth_failed` in its auth.c)."""
_AGREE: Final = "a Secret that was lost or written anew: `sumflow secrets rotate` makes database and Secret agree again"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container says of itself at the page of its readiness probe."""

    pod: str
    container: str
    reason: str

    def __str__(self) -> str:
        return f"pod {self.pod}, container {self.container}: {self.reason}"


def unready(cluster: Cluster, pods: Iterable[Object]) -> list[Answer]:
    """Return the answers of all containers that run, are not ready, and have a page that says why."""
    return [answer for pod in pods for container in _running(pod) if (answer := _ask(cluster, pod, container))]


def with_answers(verdict: Waiting, answers: Sequence[Answer]) -> Waiting:
    """Add what containers say to a verdict on their workload."""
    if not answers:
        return verdict
    halted = all(each.reason.startswith(HALTED) for each in answers)
    refused = any(_REFUSED in each.reason for each in answers)
    told = [verdict.reason, *map(str, answers), *([_AGREE] if refused else [])]
    return replace(verdict, reason="\n".join(told), halted=halted)


def _running(pod: Object) -> Iterator[dict[str, Any]]:
    """Return the containers that an answer can be had of."""
    waiting = {
        each["name"]
        for each in status(pod).get("containerStatuses") or ()
        if "running" in (each.get("state") or {}) and not each.get("ready")
    }
    for container in (pod.get("spec") or {}).get("containers") or ():
        if container["name"] in waiting and (container.get("readinessProbe") or {}).get("httpGet"):
            yield container


def _ask(cluster: Cluster, pod: Object, container: dict[str, Any]) -> Answer | None:
    page = container["readinessProbe"]["httpGet"]
    named = {each.get("name"): each["containerPort"] for each in container.get("ports") or ()}
    where = streams.Pod(str(meta(pod)["namespace"]), str(meta(pod)["name"]), str(container["name"]))
    try:
        with streams.forwarded(cluster, lambda: where, int(named.get(page["port"], page["port"]))) as address:
            said = httpx.get(f"http://{address}{page['path']}", timeout=ANSWER_WITHIN_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        # It does not answer, or not in this form: then Kubernetes' own word stands alone.
        return None
    reason = said.get("reason") if isinstance(said, dict) else None
    return Answer(str(where), where.container, str(reason)) if reason else None
