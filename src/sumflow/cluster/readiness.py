"""Whether an object is ready, and if not, why: decided from what was seen, so that recorded objects prove each rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sumflow.cluster import pods
from sumflow.cluster.objects import Object, Ref, condition, is_seen, meta, status
from sumflow.cluster.verdict import Around, Hopeless, Verdict, Waiting, worst
from sumflow.steps import Ready

_REJECTED_CLUSTER: Final = ("Invalid", "Unsupported", "KafkaUpgradeException", "NoSuchResource")
_REJECTED_TOPIC: Final = ("NotSupported", "ResourceConflict", "Invalid")
_REJECTED_BY_KAFKA: Final = ("invalidreplicationfactor", "invalidpartitions", "invalidconfig", "policyviolation")
"""Kafka's errors that no repetition mends, without case and underscores: Java and C clients write them differently."""
_ADMISSION: Final = ("exceeded quota", "violates PodSecurity", "is forbidden", "denied the request")


def judge(ref: Ref, found: Object | None, around: Around) -> Verdict:
    """Say how an object is; None is an object that is not there."""
    if found is None:
        return Waiting(f"{ref} is not there yet")
    if meta(found).get("deletionTimestamp"):
        return Waiting(f"{ref} is being deleted{held_by(found)}")
    rule = _RULES.get((ref.group, ref.kind))
    return rule(ref, found, around) if rule else Ready()


def held_by(found: Object) -> str:
    """Say what holds an object back that is being deleted: its finalizers, or what a namespace's controller says."""
    reasons = [each for each in meta(found).get("finalizers") or () if each != "foregroundDeletion"]
    if found.get("kind") == "Namespace":
        said = status(found).get("conditions") or ()
        reasons += [str(each.get("message")) for each in said if each.get("status") == "True"]
    return f", held by {', '.join(reasons)}" if reasons else ""


def current_pods(
    workload: Object, all_pods: tuple[Object, ...], replica_sets: tuple[Object, ...] = ()
) -> tuple[Object, ...]:
    """Return the pods of a workload's current revision: an older one's troubles are on their way out.

    Args:
        workload: a Deployment or a StatefulSet.
        all_pods: the pods that its selector finds.
        replica_sets: for a Deployment, the ReplicaSets that its selector finds.
    """
    if workload["kind"] == "StatefulSet":
        key, revision = "controller-revision-hash", status(workload).get("updateRevision")
    else:
        mine = [each for each in replica_sets if _owner(each) == meta(workload).get("uid")]
        newest = max(mine, key=_revision, default=None)
        key, revision = "pod-template-hash", (meta(newest).get("labels") or {}).get("pod-template-hash")
    return tuple(pod for pod in all_pods if (meta(pod).get("labels") or {}).get(key) == revision)


def stuck_pods(workload: Object, all_pods: tuple[Object, ...]) -> tuple[Object, ...]:
    """Return a StatefulSet's broken pods of an older revision: its controller waits for them for ever.

    Kubernetes documents this as "forced rollback": a repaired template does not replace a pod that never became ready.
    """
    if workload["kind"] != "StatefulSet" or not is_seen(workload):
        return ()
    current = current_pods(workload, all_pods)
    return tuple(pod for pod in all_pods if pod not in current and condition(pod, "Ready").get("status") != "True")


def _owner(found: Object) -> str:
    return next((str(each["uid"]) for each in meta(found).get("ownerReferences") or () if each.get("controller")), "")


def _revision(replica_set: Object) -> int:
    return int((meta(replica_set).get("annotations") or {}).get("deployment.kubernetes.io/revision", 0))


def _namespace(ref: Ref, found: Object, around: Around) -> Verdict:
    return (
        Ready() if status(found).get("phase") == "Active" else Waiting(f"{ref} is {status(found).get('phase', 'new')}")
    )


def _definition(ref: Ref, found: Object, around: Around) -> Verdict:
    refused = condition(found, "NamesAccepted")
    if refused.get("status") == "False":
        return Hopeless(f"{ref}: {refused.get('message')}", f"look at `kubectl get {ref.kubectl} -o yaml`")
    established = condition(found, "Established").get("status") == "True"
    return Ready() if established else Waiting(f"{ref} is not established yet")


def _claim(ref: Ref, found: Object, around: Around) -> Verdict:
    if status(found).get("phase") == "Bound":
        return Ready()
    storage = found.get("spec", {}).get("storageClassName")
    told = f"{ref} is not bound (storage class {storage or 'not named, and no default'})"
    for event in reversed(_events_of(found, around)):
        told += f"; {event.get('reason')}: {event.get('message')}"
        if event.get("reason") in ("ProvisioningFailed", "FailedBinding") and _unprovidable(str(event.get("message"))):
            remedy = (
                "name a class of `kubectl get storageclass` in the manifest; the claim must be deleted and made anew"
            )
            return Hopeless(told, remedy)
        break
    return Waiting(told)


def _unprovidable(said: str) -> bool:
    return "not found" in said or "no storage class is set" in said


def _deployment(ref: Ref, found: Object, around: Around) -> Verdict:
    refused = condition(found, "ReplicaFailure")
    if refused.get("status") == "True" and is_seen(found) and _is_refusal(str(refused.get("message"))):
        return _refused(ref, str(refused.get("message")))
    replicas = int(found["spec"].get("replicas", 1))
    have = {key: int(status(found).get(key, 0)) for key in ("updatedReplicas", "replicas", "availableReplicas")}
    wanted = {"updatedReplicas": replicas, "replicas": replicas, "availableReplicas": replicas}
    if is_seen(found) and have == wanted:
        return Ready(f"{ref.name} {replicas} of {replicas}")
    told = f"{ref}: {have['updatedReplicas']} of {replicas} updated, {have['availableReplicas']} available"
    if have["replicas"] > have["updatedReplicas"]:
        told += f", {have['replicas'] - have['updatedReplicas']} old ones to end"
    return _with_pods(told, around)


def _stateful_set(ref: Ref, found: Object, around: Around) -> Verdict:
    replicas = int(found["spec"].get("replicas", 1))
    now = status(found)
    updated = now.get("currentRevision") == now.get("updateRevision") or now.get("updatedReplicas") == replicas
    ready = int(now.get("readyReplicas", 0))
    if is_seen(found) and updated and ready == replicas == int(now.get("replicas", 0)):
        return Ready(f"{ref.name} {ready} of {replicas}")
    for event in reversed(_events_of(found, around)):
        if event.get("reason") == "FailedCreate" and not around.pods and _is_refusal(str(event.get("message"))):
            return _refused(ref, str(event.get("message")))
    return _with_pods(f"{ref}: {ready} of {replicas} ready", around)


def _with_pods(told: str, around: Around) -> Verdict:
    verdict = of_pods(around)
    if isinstance(verdict, Waiting):
        return Waiting(f"{told}\n{verdict.reason}", verdict.speaker)
    return verdict if isinstance(verdict, Hopeless) else Waiting(told)


def of_pods(around: Around) -> Verdict:
    """Say how the pods of an object and the volumes that they wait for are."""
    claims = [_claim(_claim_ref(each), each, around) for each in around.claims]
    return worst([*claims, *(pods.judge(each, around) for each in around.pods)])


def _claim_ref(claim: Object) -> Ref:
    return Ref("", "v1", "PersistentVolumeClaim", meta(claim)["namespace"], meta(claim)["name"])


def _kafka(ref: Ref, found: Object, around: Around) -> Verdict:
    return _custom(ref, found, around, lambda said, _: _rejects_cluster(said))


def _topic(ref: Ref, found: Object, around: Around) -> Verdict:
    return _custom(ref, found, around, lambda said, message: _rejects_topic(said, message))


def _rejects_cluster(reason: str) -> bool:
    return reason.startswith(_REJECTED_CLUSTER)


def _rejects_topic(reason: str, message: str) -> bool:
    said = message.casefold().replace("_", "")
    return reason.startswith(_REJECTED_TOPIC) or any(word in said for word in _REJECTED_BY_KAFKA)


def _custom(ref: Ref, found: Object, around: Around, rejects: Callable[[str, str], bool]) -> Verdict:
    """Judge what a Strimzi operator looks after: its condition counts only if it speaks of the object as it is now."""
    ready, refused = condition(found, "Ready"), condition(found, "NotReady")
    if ready.get("status") == "True" and is_seen(found):
        return Ready(f"{ref.name} Ready{_warnings(found)}")
    if not refused and ready.get("status") == "False":
        refused = ready
    reason, message = str(refused.get("reason", "")), str(refused.get("message", "")).strip()
    if refused and is_seen(found) and _is_refusal(message):
        return _refused(ref, message)
    if refused and is_seen(found) and rejects(reason, message):
        remedy = f"correct the manifest and deploy again; `kubectl get {ref.kubectl} -o yaml` has the whole status"
        return Hopeless(f"{ref} was rejected by its operator: {reason}: {message}", remedy)
    told = f"{ref} is not ready"
    if not status(found):
        told = f"{ref}: the operator has not answered yet"
    elif not is_seen(found) and status(found).get("observedGeneration"):
        # A first status, without a generation, speaks of the object as it is: there was no other.
        told = f"{ref}: the operator has not answered the latest change yet"
    return _with_pods(f"{told}{f': {reason}: {message}' if message else ''}{_warnings(found)}", around)


def _warnings(found: Object) -> str:
    said = [each for each in status(found).get("conditions") or () if each.get("type") == "Warning"]
    return "".join(f" (warning {each.get('reason')}: {each.get('message')})" for each in said)


def _events_of(found: Object, around: Around) -> list[Object]:
    return [each for each in around.events if each.get("involvedObject", {}).get("uid") == meta(found).get("uid")]


def _is_refusal(said: str) -> bool:
    return any(word in said for word in _ADMISSION)


def _refused(ref: Ref, said: str) -> Hopeless:
    remedy = f"ask who governs {ref.namespace} to allow it, then deploy again"
    if "exceeded quota" in said:
        remedy = f"raise the quota (`kubectl get resourcequota -n {ref.namespace}`) or remove it, then deploy again"
    return Hopeless(f"{ref}: what it needs is not admitted: {said}", remedy)


_RULES: Final[Mapping[tuple[str, str], Callable[[Ref, Object, Around], Verdict]]] = {
    ("", "Namespace"): _namespace,
    ("", "Pod"): lambda ref, found, around: pods.judge(found, around),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("kafka.strimzi.io", "Kafka"): _kafka,
    ("kafka.strimzi.io", "KafkaTopic"): _topic,
}
