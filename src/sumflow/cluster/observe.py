"""Looks at an object and around it: its pods, their volumes, the warnings about them; decides nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sumflow.cluster import asking, readiness
from sumflow.cluster.client import Cluster
from sumflow.cluster.failures import ForbiddenError
from sumflow.cluster.objects import STRIMZI, Object, Ref, condition, meta, status
from sumflow.cluster.pods import node_of
from sumflow.cluster.verdict import Around, Hopeless, Speaker, Verdict, Waiting
from sumflow.errors import StepError, SumflowError
from sumflow.steps import NotYet, Readiness, Ready

LOG_INTERVAL_S: Final = 2.0
"""While waiting, a container's last log line is read this often at most."""
LAST_LINES: Final = 12


@dataclass(slots=True)
class Watch:
    """What one run looks at: remembers which warnings and which troubles are older than the run.

    Args:
        cluster: where to look.
        clock: seconds, for the interval between two looks into a log.
    """

    cluster: Cluster
    clock: Callable[[], float] = time.monotonic
    _old_events: dict[str, int] = field(default_factory=dict)
    _old_pods: set[str] = field(default_factory=set)
    _said: dict[Speaker, tuple[float, str]] = field(default_factory=dict)

    def begin(self, refs: Iterable[Ref]) -> None:
        """Remember the warnings that are there before the objects are applied."""
        for namespace in {ref.namespace for ref in refs if ref.namespace}:
            for event in self._events(namespace):
                self._old_events[str(meta(event)["uid"])] = _count(event)

    def forgive(self, ref: Ref) -> None:
        """Remember the pods of an object that was just changed: their troubles may be what the change mends."""
        live = self.cluster.get(ref) if _has_pods(ref) else None
        if live is not None:
            self._old_pods |= {str(meta(pod)["uid"]) for pod in self._pods(ref, live)}

    def judge(self, ref: Ref) -> Verdict:
        """Look at one object and say how it is; looks further only if the object itself is not ready."""
        live = self.cluster.get(ref)
        verdict = readiness.judge(ref, live, Around())
        if isinstance(verdict, Waiting) and live is not None and _has_pods(ref):
            around = self._around(ref, live)
            verdict = readiness.judge(ref, live, around)
            if isinstance(verdict, Waiting):
                verdict = asking.with_answers(verdict, asking.unready(self.cluster, around.pods))
        return verdict

    def judge_pods(self, ref: Ref) -> Verdict:
        """Look at the pods of an object that calls itself ready: its operator may not have noticed what they lack."""
        live = self.cluster.get(ref)
        return Ready() if live is None else readiness.of_pods(self._around(ref, live))

    def ready(self, refs: Iterable[Ref]) -> Readiness:
        """Look at all objects of a stage.

        Raises:
            StepError: one of them cannot become ready.
        """
        try:
            verdicts = [self.judge(ref) for ref in refs]
        except SumflowError as error:
            if error.exit_code == 3:
                return NotYet(error.what)
            raise
        for each in verdicts:
            if isinstance(each, Hopeless):
                raise StepError(each.reason, why=self._last_words(each.speaker, LAST_LINES), remedy=each.remedy)
        waiting = [each for each in verdicts if isinstance(each, Waiting) and not each.halted]
        if waiting:
            return NotYet("\n".join(f"{each.reason}{self._said_lately(each.speaker)}" for each in waiting))
        evidence = [each.evidence if isinstance(each, Ready) else each.reason for each in verdicts]
        return Ready(", ".join(filter(None, evidence)))

    def _around(self, ref: Ref, live: Object) -> Around:
        seen = tuple(pod for pod in self._pods(ref, live) if meta(pod)["uid"] not in self._old_pods)
        claims = tuple(claim for claim in self._claims(ref, seen) if status(claim).get("phase") != "Bound")
        events = tuple(each for each in self._events(ref.namespace) if self._is_new(each))
        return Around(seen, claims, events, self._away(seen), datetime.now(UTC))

    def _away(self, seen: Iterable[Object]) -> frozenset[str]:
        """Return the nodes that do not answer, of those whose pods are not ready: a cluster may have many others."""
        troubled = [pod for pod in seen if condition(pod, "Ready").get("status") != "True"]
        names = {node_of(pod) for pod in troubled} - {""}
        try:
            nodes = {name: self.cluster.get(Ref("", "v1", "Node", "", name)) for name in names}
        except ForbiddenError:
            # Whoever deploys need not be allowed to see nodes; events then say the same a little later.
            return frozenset()
        return frozenset(name for name, node in nodes.items() if condition(node, "Ready").get("status") != "True")

    def _pods(self, ref: Ref, live: Object) -> tuple[Object, ...]:
        in_namespace = Ref("", "v1", "Pod", ref.namespace, "")
        if ref.kind == "Pod":
            return (live,)
        if ref.group == STRIMZI:
            return self.cluster.list(in_namespace, labels=f"strimzi.io/cluster={ref.name}")
        selector = _selector(live)
        pods = self.cluster.list(in_namespace, labels=selector)
        sets: tuple[Object, ...] = ()
        if ref.kind == "Deployment":
            sets = self.cluster.list(Ref("apps", "v1", "ReplicaSet", ref.namespace, ""), labels=selector)
        return readiness.current_pods(live, pods, sets)

    def _claims(self, ref: Ref, pods: Iterable[Object]) -> tuple[Object, ...]:
        wanted = {name for pod in pods for name in _claim_names(pod)}
        found = self.cluster.list(Ref("", "v1", "PersistentVolumeClaim", ref.namespace, "")) if wanted else ()
        return tuple(claim for claim in found if meta(claim)["name"] in wanted)

    def _events(self, namespace: str) -> list[Object]:
        found = self.cluster.list(Ref("", "v1", "Event", namespace, ""), fields="type!=Normal")
        return sorted(found, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))

    def _is_new(self, event: Object) -> bool:
        return _count(event) > self._old_events.get(str(meta(event)["uid"]), 0)

    def _said_lately(self, speaker: Speaker | None) -> str:
        if speaker is None:
            return ""
        read_at, said = self._said.get(speaker, (-LOG_INTERVAL_S, ""))
        if self.clock() - read_at >= LOG_INTERVAL_S:
            said = self._last_words(speaker, 1)
            self._said[speaker] = (self.clock(), said)
        return f"\nit last logged: {said}" if said else ""

    def _last_words(self, speaker: Speaker | None, lines: int) -> str:
        return self.cluster.logs(speaker, lines) if speaker else ""


def stuck(cluster: Cluster, ref: Ref) -> tuple[Ref, ...]:
    """Return the broken pods of an older revision that keep a repaired StatefulSet from going on."""
    live = cluster.get(ref) if ref.kind == "StatefulSet" else None
    if live is None:
        return ()
    pods = cluster.list(Ref("", "v1", "Pod", ref.namespace, ""), labels=_selector(live))
    return tuple(Ref("", "v1", "Pod", ref.namespace, meta(pod)["name"]) for pod in readiness.stuck_pods(live, pods))


def _has_pods(ref: Ref) -> bool:
    return (ref.group, ref.kind) in {("", "Pod"), ("apps", "Deployment"), ("apps", "StatefulSet"), (STRIMZI, "Kafka")}


def _selector(live: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in live["spec"]["selector"]["matchLabels"].items())


def _claim_names(pod: Object) -> list[str]:
    volumes: list[dict[str, Any]] = (pod.get("spec") or {}).get("volumes") or []
    return [str(each["persistentVolumeClaim"]["claimName"]) for each in volumes if each.get("persistentVolumeClaim")]


def _count(event: Object) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)
