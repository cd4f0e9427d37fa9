"""Why a pod is not ready: the states a tired reader of `kubectl describe` would look for, each with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sumflow.cluster.objects import Object, condition, meta, status
from sumflow.cluster.verdict import Around, Hopeless, Speaker, Verdict, Waiting, worst
from sumflow.steps import Ready

UNSCHEDULABLE_GRACE_S: Final = 10.0
"""A pod may be unschedulable for a moment, while a terminating one frees its place or a volume is being made."""
PULL_GRACE_S: Final = 60.0
"""So long a registry that is busy or silent is worth another try of the kubelet's."""
CRASHES: Final = 2
"""A container that died this often and is held back will not come up by waiting."""

_IMAGE_HOPELESS: Final = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_PERMANENT_PULL: Final = ("not found", "manifest unknown", "unauthorized", "denied", "pull access")
_PASSING_PULL: Final = re.compile(
    r"timeout|deadline exceeded|connection reset|unexpected EOF|too ?many ?requests|\b(500|502|503|504)\b",
    re.IGNORECASE,
)
"""What a kubelet says of a registry that may answer the next time."""
_CONFIG_HOPELESS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_PASSING: Final = ("timed out", "deadline exceeded", "failed to sync")
"""What a kubelet under load says of a container that it will make a moment later."""
_AFFINITY: Final = "volume node affinity conflict"
_VOLUME_ELSEWHERE: Final = (
    "its volume is bound to a node that is away or takes no pods: bring that node back (`kubectl get nodes`); if it is "
    "lost for good, see docs/kubernetes.md, When pods and nodes are lost"
)
_MAKE_ROOM: Final = (
    "make room or add a node (`kubectl describe nodes` shows what is requested), or deploy `--profile dev`"
)
_VOLUME_PENDING: Final = ("unbound immediate", "persistentvolumeclaim")


def judge(pod: Object, around: Around) -> Verdict:
    """Say how a pod is, given what was seen around it."""
    name, events, now = f"pod {meta(pod)['namespace']}/{meta(pod)['name']}", around.events, around.now
    if node_of(pod) in around.away:
        return Waiting(f"{name} is on {node_of(pod)}, a node that does not answer{_bound(pod)}")
    if meta(pod).get("deletionTimestamp"):
        return Waiting(f"{name} is terminating")
    if status(pod).get("phase") == "Failed":
        said = status(pod).get("message") or status(pod).get("reason") or "it failed"
        return Waiting(f"{name} was ended: {said}; its controller replaces it")
    unscheduled = _unscheduled(pod, name, events, now)
    if unscheduled:
        return unscheduled
    pulls = _Pulls(_failures(pod, events), _since_scheduled_s(pod, now) < PULL_GRACE_S)
    containers = [_container(pod, name, each, pulls) for each in _containers(pod)]
    verdict = worst(containers) if containers else Waiting(f"{name}: {status(pod).get('phase', 'Pending').lower()}")
    if isinstance(verdict, Ready) and condition(pod, "Ready").get("status") != "True":
        return Waiting(f"{name}: running, not ready{_told(pod, events)}")
    if isinstance(verdict, Waiting):
        return Waiting(f"{verdict.reason}{_told(pod, events)}", verdict.speaker)
    return Ready() if isinstance(verdict, Ready) else verdict


def node_of(pod: Object) -> str:
    """Return the name of a pod's node; empty as long as it has none."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _bound(pod: Object) -> str:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    if not any(each.get("persistentVolumeClaim") for each in volumes):
        return ""
    return f"; where its volume is bound to that node, it comes back with it: `kubectl describe node {node_of(pod)}`"


def _containers(pod: Object) -> Iterator[dict[str, Any]]:
    for key in ("initContainerStatuses", "containerStatuses"):
        for each in status(pod).get(key) or ():
            yield {**each, "init": key.startswith("init")}


def _unscheduled(pod: Object, name: str, events: tuple[Object, ...], now: datetime) -> Verdict | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    said = str(scheduled.get("message") or "no node takes it yet")
    waits = any(word in said.lower() for word in _VOLUME_PENDING) or _event(pod, events, "TriggeredScaleUp")
    if waits or _since_scheduled_s(pod, now) < UNSCHEDULABLE_GRACE_S:
        return Waiting(f"{name} has no node: {said}")
    return Hopeless(f"{name} cannot be scheduled: {said}", _VOLUME_ELSEWHERE if _AFFINITY in said else _MAKE_ROOM)


def _container(pod: Object, name: str, state: dict[str, Any], pulls: _Pulls) -> Verdict:
    where = f"{name}, container {state['name']}"
    speaker = Speaker(meta(pod)["namespace"], meta(pod)["name"], state["name"])
    waiting = (state.get("state") or {}).get("waiting") or {}
    if waiting:
        return _held(where, state, waiting, speaker, pulls)
    ended = (state.get("state") or {}).get("terminated") or {}
    if ended:
        if state["init"] and ended.get("exitCode") == 0:
            return Ready()
        return Waiting(f"{where}: {_end(ended)}", speaker)
    if state.get("ready") or state["init"]:
        return Ready() if state.get("ready") else Waiting(f"{where}: initialising", speaker)
    return Waiting(f"{where}: started, not ready{_restarted(state)}", speaker)


def _held(where: str, state: dict[str, Any], waiting: dict[str, Any], speaker: Speaker, pulls: _Pulls) -> Verdict:
    reason, said = str(waiting.get("reason", "")), str(waiting.get("message", "")).strip()
    told = f"{where}: {reason}{f': {said}' if said else ''}"
    if _is_never_pulled(reason, said, pulls):
        return Hopeless(f"{told} (image {state.get('image', '?')})", _image_remedy(str(state.get("image", ""))))
    if reason in _CONFIG_HOPELESS and not any(word in said for word in _PASSING):
        return Hopeless(told, f"`kubectl describe pod {speaker.pod} -n {speaker.namespace}` shows what is missing")
    if reason == "CrashLoopBackOff" and int(state.get("restartCount", 0)) >= CRASHES:
        return _crashing(where, state, speaker)
    return Waiting(told or f"{where}: waiting", None)


@dataclass(frozen=True, slots=True)
class _Pulls:
    """What the kubelet said of a pod's pulls that failed, and whether the pod is so young that another may succeed.

    While it waits to try again, an older kubelet tells the reason in its events only.
    """

    failures: str
    young: bool


def _is_never_pulled(reason: str, said: str, pulls: _Pulls) -> bool:
    told = f"{said} {pulls.failures}"
    if any(word in told for word in _PERMANENT_PULL):
        return reason in _IMAGE_HOPELESS or reason == "ErrImagePull"
    return reason in _IMAGE_HOPELESS and not (pulls.young and _PASSING_PULL.search(told))


def _failures(pod: Object, events: tuple[Object, ...]) -> str:
    return " ".join(str(each.get("message", "")) for each in _events(pod, events) if each.get("reason") == "Failed")


def _since_scheduled_s(pod: Object, now: datetime) -> float:
    """Return for how long the scheduler's word about a pod, yes or no, has stood."""
    since = condition(pod, "PodScheduled").get("lastTransitionTime")
    return (now - datetime.fromisoformat(since)).total_seconds() if since else 0.0


def _crashing(where: str, state: dict[str, Any], speaker: Speaker) -> Hopeless:
    ended = (state.get("lastState") or {}).get("terminated") or {}
    remedy = f"`kubectl logs {speaker.pod} -n {speaker.namespace} -c {speaker.container} --previous` has the whole log"
    if ended.get("reason") == "OOMKilled":
        remedy = "it needs more memory than its limit: raise resources.limits.memory in its manifest and deploy again"
    last = Speaker(speaker.namespace, speaker.pod, speaker.container, previous=True)
    return Hopeless(f"{where} ends again and again, {state['restartCount']} restarts: {_end(ended)}", remedy, last)


def _end(ended: dict[str, Any]) -> str:
    said = str(ended.get("message", "")).strip()
    return f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode', '?')}{f': {said}' if said else ''}"


def _restarted(state: dict[str, Any]) -> str:
    ended = (state.get("lastState") or {}).get("terminated") or {}
    return f" ({state['restartCount']} restarts, the last: {_end(ended)})" if ended else ""


def _image_remedy(image: str) -> str:
    local = "/" not in image or image.startswith("docker.io/library/")
    if local and "sumflow" in image:
        return "load SumFlow's image into the nodes or a registry (docs/images.md), and name it with `--image REF`"
    return f"check that the nodes can pull {image}: its name, the registry's address, an imagePullSecret"


def _event(pod: Object, events: tuple[Object, ...], reason: str) -> Object | None:
    return next((each for each in reversed(_events(pod, events)) if reason in ("", each.get("reason"))), None)


def _events(pod: Object, events: tuple[Object, ...]) -> list[Object]:
    return [each for each in events if each.get("involvedObject", {}).get("uid") == meta(pod).get("uid")]


def _told(pod: Object, events: tuple[Object, ...]) -> str:
    last = _event(pod, events, "")
    return f"; {last.get('reason')}: {str(last.get('message', '')).strip()}" if last else ""
