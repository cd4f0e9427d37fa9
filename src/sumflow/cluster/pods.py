"""Why a pod is not ready: the states a tired reader of `kubectl describe` would look for, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sumflow.cluster.objects import Object, Ref, condition, meta, status
from sumflow.cluster.verdict import Hopeless, Speaker, Verdict, Waiting, worst
from sumflow.steps import Ready

UNSCHEDULABLE_GRACE_S: Final = 10.0
"""A pod may be unschedulable for a moment, while a terminating one frees its place or a volume is being made."""
CRASHES: Final = 2
"""A container that died this often and is held back will not come up by waiting."""

_IMAGE_HOPELESS: Final = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_PERMANENT_PULL: Final = ("not found", "manifest unknown", "unauthorized", "denied", "pull access")
_CONFIG_HOPELESS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_PASSING: Final = ("timed out", "deadline exceeded", "failed to sync")
"""What a kubelet under load says of a container that it will make a moment later."""
_VOLUME_PENDING: Final = ("unbound immediate", "persistentvolumeclaim")


def judge(pod: Object, *, events: tuple[Object, ...] = (), now: datetime) -> Verdict:
    """Say how a pod is; `events` are warnings, `now` is the time of the look."""
    name = f"pod {meta(pod)['namespace']}/{meta(pod)['name']}"
    if meta(pod).get("deletionTimestamp"):
        return Waiting(f"{name} is terminating")
    if status(pod).get("phase") == "Failed":
        said = status(pod).get("message") or status(pod).get("reason") or "it failed"
        return Waiting(f"{name} was ended: {said}; its controller replaces it")
    unscheduled = _unscheduled(pod, name, events, now)
    if unscheduled:
        return unscheduled
    containers = [_container(pod, name, each) for each in _containers(pod)]
    verdict = worst(containers) if containers else Waiting(f"{name}: {status(pod).get('phase', 'Pending').lower()}")
    if isinstance(verdict, Ready) and condition(pod, "Ready").get("status") != "True":
        return Waiting(f"{name}: running, not ready{_told(pod, events)}")
    if isinstance(verdict, Waiting):
        return Waiting(f"{verdict.reason}{_told(pod, events)}", verdict.speaker)
    return Ready() if isinstance(verdict, Ready) else verdict


def _containers(pod: Object) -> Iterator[dict[str, Any]]:
    for key in ("initContainerStatuses", "containerStatuses"):
        for each in status(pod).get(key) or ():
            yield {**each, "init": key.startswith("init")}


def _unscheduled(pod: Object, name: str, events: tuple[Object, ...], now: datetime) -> Verdict | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    said = str(scheduled.get("message") or "no node takes it yet")
    since = datetime.fromisoformat(scheduled.get("lastTransitionTime") or now.isoformat())
    waits = any(word in said for word in _VOLUME_PENDING) or _event(pod, events, "TriggeredScaleUp")
    if waits or (now - since).total_seconds() < UNSCHEDULABLE_GRACE_S:
        return Waiting(f"{name} has no node: {said}")
    return Hopeless(
        f"{name} cannot be scheduled: {said}",
        "make room or add a node (`kubectl describe nodes` shows what is requested), or deploy `--profile dev`",
    )


def _container(pod: Object, name: str, state: dict[str, Any]) -> Verdict:
    where = f"{name}, container {state['name']}"
    speaker = Speaker(meta(pod)["namespace"], meta(pod)["name"], state["name"])
    waiting = (state.get("state") or {}).get("waiting") or {}
    if waiting:
        return _held(where, state, waiting, speaker)
    ended = (state.get("state") or {}).get("terminated") or {}
    if ended:
        if state["init"] and ended.get("exitCode") == 0:
            return Ready()
        return Waiting(f"{where}: {_end(ended)}", speaker)
    if state.get("ready") or state["init"]:
        return Ready() if state.get("ready") else Waiting(f"{where}: initialising", speaker)
    return Waiting(f"{where}: started, not ready{_restarted(state)}", speaker)


def _held(where: str, state: dict[str, Any], waiting: dict[str, Any], speaker: Speaker) -> Verdict:
    reason, said = str(waiting.get("reason", "")), str(waiting.get("message", "")).strip()
    told = f"{where}: {reason}{f': {said}' if said else ''}"
    if reason in _IMAGE_HOPELESS or (reason == "ErrImagePull" and any(word in said for word in _PERMANENT_PULL)):
        return Hopeless(f"{told} (image {state.get('image', '?')})", _image_remedy(str(state.get("image", ""))))
    if reason in _CONFIG_HOPELESS and not any(word in said for word in _PASSING):
        return Hopeless(told, f"`kubectl describe pod {speaker.pod} -n {speaker.namespace}` shows what is missing")
    if reason == "CrashLoopBackOff" and int(state.get("restartCount", 0)) >= CRASHES:
        return _crashing(where, state, speaker)
    return Waiting(told or f"{where}: waiting", None)


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
    mine = [each for each in events if each.get("involvedObject", {}).get("uid") == meta(pod).get("uid")]
    return next((each for each in reversed(mine) if reason in ("", each.get("reason"))), None)


def _told(pod: Object, events: tuple[Object, ...]) -> str:
    last = _event(pod, events, "")
    return f"; {last.get('reason')}: {str(last.get('message', '')).strip()}" if last else ""


def name_of(pod: Object) -> Ref:
    """Return a pod's name in full; a list's items come without their kind."""
    return Ref("", "v1", "Pod", str(meta(pod)["namespace"]), str(meta(pod)["name"]))
