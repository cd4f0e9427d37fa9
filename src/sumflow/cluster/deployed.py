"""Finds the parts of a deployed system on a cluster: its profile, its pods, its secrets, and how each part is."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sumflow import topology
from sumflow.cluster import inventory, passwords
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import STRIMZI, Object, Ref, annotations_of, condition, meta, status
from sumflow.cluster.observe import Watch
from sumflow.cluster.streams import Pod
from sumflow.cluster.verdict import Hopeless, Verdict
from sumflow.errors import NotRunningError
from sumflow.steps import Ready
from sumflow.topology import profiles
from sumflow.topology.model import Topology

PROFILE_NOTE: Final = "sumflow.io/profile"
"""The annotation on the release's ConfigMap that says which profile was deployed."""
RELEASE: Final = Ref("", "v1", "ConfigMap", "sumflow-kafka", "strimzi-release")
_SCALE_UP: Final = "`sumflow deploy --force-conflicts` sets the declared number again"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the system as it is now."""

    ref: Ref
    verdict: Verdict
    restarts: int

    @property
    def state(self) -> str:
        """One word: ready, waiting or failed."""
        if isinstance(self.verdict, Ready):
            return "ready"
        return "failed" if isinstance(self.verdict, Hopeless) else "waiting"

    @property
    def reason(self) -> str:
        """Why it is not ready; empty if it is."""
        return "" if isinstance(self.verdict, Ready) else self.verdict.reason

    @property
    def remedy(self) -> str:
        """What to do where waiting changes nothing; empty elsewhere."""
        return self.verdict.remedy if isinstance(self.verdict, Hopeless) else ""


def profile(cluster: Cluster) -> str:
    """Return the name of the profile that is deployed.

    Raises:
        NotRunningError: nothing is deployed.
    """
    release = cluster.get(RELEASE)
    if release is None:
        raise NotRunningError(f"SumFlow is not deployed on {cluster.context}", remedy="deploy it: `sumflow deploy`")
    noted = annotations_of(release).get(PROFILE_NOTE)
    return noted or _guessed(cluster, str(release["data"]["version"]))


def noted_profile(cluster: Cluster) -> str | None:
    """Return the name of the profile that is deployed, as `deploy` noted it; None where it did not."""
    return annotations_of(cluster.get(RELEASE)).get(PROFILE_NOTE)


def declared(cluster: Cluster, manifests: Path | None = None) -> Topology:
    """Return the declaration of what is deployed."""
    return topology.load(profile(cluster), manifests)


def parts(cluster: Cluster, system: Topology) -> list[Part]:
    """Look at every part of a system."""
    custom = inventory.strimzi_version(cluster) or "v1"
    kafka = system.kafka
    refs = [
        Ref("apps", "v1", "Deployment", system.strimzi.namespace, "strimzi-cluster-operator"),
        Ref(STRIMZI, custom, "Kafka", kafka.namespace, kafka.name),
        *(Ref(STRIMZI, custom, "KafkaTopic", each.namespace, each.name) for each in system.topics),
        *(Ref("apps", "v1", each.workload.kind, each.workload.namespace, each.name) for each in system.databases),
        *(Ref("apps", "v1", each.kind, each.namespace, each.name) for each in system.services),
    ]
    watch = Watch(cluster)
    return [Part(ref, _verdict(watch, ref), _restarts(cluster, ref)) for ref in refs]


def _verdict(watch: Watch, ref: Ref) -> Verdict:
    if ((watch.cluster.get(ref) or {}).get("spec") or {}).get("replicas") == 0:
        # A deployment never waits for it, and Kubernetes calls it complete; but nothing works there.
        return Hopeless(f"{ref} is scaled to 0", _SCALE_UP)
    said = watch.judge(ref)
    if isinstance(said, Ready) and ref.kind == "Kafka":
        # Its condition stays Ready while a broker is away: the operator looks again only every two minutes.
        below = watch.judge_pods(ref)
        return said if isinstance(below, Ready) else below
    return said


def pods(cluster: Cluster, namespace: str, labels: str, container: str) -> list[Pod]:
    """Return the pods that carry labels, by name."""
    return _by_name(cluster.list(Ref("", "v1", "Pod", namespace, ""), labels=labels), namespace, container)


def running(cluster: Cluster, namespace: str, labels: str, container: str) -> list[Pod]:
    """Return the pods that carry labels, run and are not being deleted, by name."""
    found = cluster.list(Ref("", "v1", "Pod", namespace, ""), labels=labels, fields="status.phase=Running")
    return _by_name((each for each in found if not meta(each).get("deletionTimestamp")), namespace, container)


def _by_name(found: Iterable[Object], namespace: str, container: str) -> list[Pod]:
    return sorted((Pod(namespace, str(meta(each)["name"]), container) for each in found), key=lambda pod: pod.name)


def ready_pod(cluster: Cluster, namespace: str, labels: str, container: str) -> Pod:
    """Return one of the pods that are ready, any of them; raise NotRunningError if none is.

    Always the same one would be always the wrong one, while Kubernetes has not noticed yet that its node is lost.
    """
    found = cluster.list(Ref("", "v1", "Pod", namespace, ""), labels=labels)
    names = [str(meta(each)["name"]) for each in found if _serves(each)]
    if names:
        return Pod(namespace, random.choice(names), container)  # noqa: S311 - no secret depends on it
    raise NotRunningError(
        f"no pod with {labels} is ready in the namespace {namespace}",
        remedy="`sumflow status --on kubernetes` says why; `sumflow deploy` brings it up",
    )


def _serves(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True" and not meta(pod).get("deletionTimestamp")


def ready(cluster: Cluster, pod: Pod) -> Pod:
    """Return a pod that is known by its name; raise NotRunningError if it is not ready."""
    verdict = Watch(cluster).judge(Ref("", "v1", "Pod", pod.namespace, pod.name))
    if isinstance(verdict, Ready):
        return pod
    raise NotRunningError(verdict.reason, remedy="`sumflow status --on kubernetes` shows how the other parts are")


def secret(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    """Return a Secret's values; raise NotRunningError if it is not there."""
    found = cluster.get(Ref("", "v1", "Secret", namespace, name))
    if found is None:
        raise NotRunningError(f"there is no Secret {namespace}/{name}", remedy="`sumflow deploy` makes it")
    return passwords.decoded(found.get("data") or {})


def _guessed(cluster: Cluster, strimzi: str) -> str:
    """Tell the profile of a system that kubectl applied: by the release that is pinned, then by the number of nodes."""
    names = [each.name for each in profiles.profiles() if topology.load(each.name).strimzi.version == strimzi]
    pool = Ref(STRIMZI, inventory.strimzi_version(cluster) or "v1", "KafkaNodePool", "sumflow-kafka", "")
    nodes = sum(int(each["spec"]["replicas"]) for each in cluster.list(pool))
    fitting = [name for name in names if not nodes or topology.load(name).kafka.brokers == nodes]
    return [*fitting, *names, "spec"][0]


def _restarts(cluster: Cluster, ref: Ref) -> int:
    live = cluster.get(ref)
    selector = ((live or {}).get("spec") or {}).get("selector", {}).get("matchLabels")
    labels = f"strimzi.io/cluster={ref.name}" if ref.kind == "Kafka" else ""
    labels = labels or ",".join(f"{key}={value}" for key, value in (selector or {}).items())
    found = cluster.list(Ref("", "v1", "Pod", ref.namespace, ""), labels=labels) if labels else ()
    return sum(_pod_restarts(each) for each in found)


def _pod_restarts(pod: Object) -> int:
    return sum(int(each.get("restartCount", 0)) for each in status(pod).get("containerStatuses") or ())
