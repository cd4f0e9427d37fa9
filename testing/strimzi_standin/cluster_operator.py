"""Kafka and KafkaNodePool objects become brokers: one step a pass, in the order that the real operator keeps."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from testing.strimzi_standin import certificates, model, objects, pods, status
from testing.strimzi_standin.entity import entity_operator
from testing.strimzi_standin.kube import Kube
from testing.strimzi_standin.names import REVISION, Object, owner

log = logging.getLogger("standin")
WATCHED = ("Kafka", "KafkaNodePool", "Pod", "Deployment")


@dataclass(frozen=True)
class Release:
    """What the operator's Deployment says of its release."""

    version: str
    operator_image: str
    kafka_images: Mapping[str, str]


class ClusterOperator:
    """Realises the Kafka objects of one namespace."""

    def __init__(self, kube: Kube, release: Release) -> None:
        self._kube = kube
        self._release = release
        self._applied: dict[tuple[str, str], tuple[str, Object]] = {}

    def reconcile(self) -> None:
        """Take one step for every Kafka object; raise httpx.HTTPError when the API server refuses or is away."""
        pools = self._kube.list("KafkaNodePool")
        kafkas = self._kube.list("Kafka")
        if not kafkas:
            self._applied.clear()
        for kafka in kafkas:
            # As the real one, it does not look whether the object is being deleted.
            if kafka["metadata"].get("annotations", {}).get("strimzi.io/pause-reconciliation") == "true":
                self._show("Kafka", kafka, status.paused(kafka))
            else:
                self._reconcile_one(kafka, pools)

    def _reconcile_one(self, kafka: Object, pools: list[Object]) -> None:
        try:
            cluster = model.read(kafka, pools, self._release.kafka_images)
        except model.RejectedError as refusal:
            log.warning("Kafka %s: %s", kafka["metadata"]["name"], refusal)
            self._show("Kafka", kafka, status.rejected(kafka, refusal.reason, str(refusal)))
            return
        cluster_id = kafka.get("status", {}).get("clusterId") or _new_cluster_id(kafka)
        if not kafka.get("status"):
            self._show("Kafka", kafka, status.creating() | {"clusterId": cluster_id})
        if not self._realise(cluster, cluster_id):
            return
        for name, wanted in status.node_pools(cluster, cluster_id).items():
            self._show("KafkaNodePool", next(p for p in pools if p["metadata"]["name"] == name), wanted)
        self._show("Kafka", kafka, status.ready(cluster, cluster_id, self._release.version))

    def _realise(self, cluster: model.Cluster, cluster_id: str) -> bool:
        """Make what is missing; say whether everything is ready."""
        owned = f"strimzi.io/cluster={cluster.name}"
        existing = {pod["metadata"]["name"]: pod for pod in self._kube.list("Pod", owned)}
        self._secrets(cluster, owned)
        for wanted in objects.supporting(cluster, cluster_id):
            self._apply(wanted)
        for pod_set in pods.pod_sets(cluster):
            if not self._pods(pod_set, existing):
                return False
        for wanted in entity_operator(cluster, self._release.operator_image):
            self._apply(wanted)
        name = f"{cluster.name}-entity-operator"
        found = [d for d in self._kube.list("Deployment", owned) if d["metadata"]["name"] == name]
        return bool(found and found[0].get("status", {}).get("readyReplicas"))

    def _secrets(self, cluster: model.Cluster, owned: str) -> None:
        if not any(s["metadata"]["name"] == f"{cluster.name}-cluster-ca" for s in self._kube.list("Secret", owned)):
            for secret in certificates.secrets_of(cluster):
                self._kube.create(secret)

    def _pods(self, pod_set: pods.PodSet, existing: Mapping[str, Object]) -> bool:
        wanted = {node.pod: pods.pod(pod_set, node) for node in pod_set.nodes}
        for claim in pods.claims(pod_set):
            self._apply(claim)
        its_set = self._apply(pods.pod_set(pod_set, list(wanted.values())))
        for name, pod in wanted.items():
            if name not in existing:
                pod["metadata"]["ownerReferences"] = owner(its_set)
                self._kube.create(pod)
        self._remove_surplus(pod_set, wanted, existing)
        ready = {name for name in wanted if name in existing and _is_ready(existing[name])}
        self._roll(wanted, existing, ready)
        current = {name for name in wanted if name in existing and _revision(existing[name]) == _revision(wanted[name])}
        self._show_pod_set(its_set, len(wanted), len(ready), len(current))
        return ready == current == set(wanted)

    def _remove_surplus(
        self, pod_set: pods.PodSet, wanted: Mapping[str, Object], existing: Mapping[str, Object]
    ) -> None:
        for name, pod in existing.items():
            ours = pod["metadata"]["labels"].get("strimzi.io/controller-name") == pod_set.name
            if ours and name not in wanted:
                self._kube.delete("Pod", name)

    def _roll(self, wanted: Mapping[str, Object], existing: Mapping[str, Object], ready: set[str]) -> None:
        """Replace one outdated pod, if every other one is ready: two in sync replicas of three must stay."""
        outdated = [n for n in wanted if n in existing and _revision(existing[n]) != _revision(wanted[n])]
        for name in outdated[:1]:
            if ready >= set(wanted) - {name}:
                log.info("replacing %s", name)
                self._kube.delete("Pod", name)

    def _show_pod_set(self, its_set: Object, pods_wanted: int, ready: int, current: int) -> None:
        generation = its_set["metadata"]["generation"]
        counts = {"pods": pods_wanted, "readyPods": ready, "currentPods": current, "observedGeneration": generation}
        key = ("StrimziPodSet/status", its_set["metadata"]["name"])
        if self._applied.get(key, ("", {}))[1] != counts:
            self._kube.merge("StrimziPodSet", its_set["metadata"]["name"], {"status": counts}, "status")
            self._applied[key] = ("", counts)

    def _apply(self, wanted: Object) -> Object:
        """Apply an object unless this process applied the very same before."""
        key = (wanted["kind"], wanted["metadata"]["name"])
        digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        if self._applied.get(key, ("", {}))[0] != digest:
            self._applied[key] = (digest, self._kube.apply(wanted))
        return self._applied[key][1]

    def _show(self, kind: str, shown: Object, wanted: Object) -> None:
        if status.differs(shown.get("status"), wanted):
            name = shown["metadata"]["name"]
            self._kube.merge(kind, name, {"status": wanted}, "status")
            log.info("%s %s: %s", kind, name, [c["type"] for c in wanted["conditions"]])


def _new_cluster_id(kafka: Object) -> str:
    # from the object's uid, so that a restart of this program before the status is written keeps it
    text = base64.urlsafe_b64encode(uuid.UUID(kafka["metadata"]["uid"]).bytes).decode().rstrip("=")
    return text.replace("-", "A")  # as Kafka's own ids never start with one: its tools would take it for an option


def _revision(pod: Object) -> str | None:
    found: str | None = pod["metadata"].get("annotations", {}).get(REVISION)
    return found


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    alive = "deletionTimestamp" not in pod["metadata"]
    return alive and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
