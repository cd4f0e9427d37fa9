"""A Kafka resource over old volumes gets their cluster's id, and the operator's own writing does not take it away."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, cast

from sumflow.cluster import restore
from sumflow.cluster.apply import Applier
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Object, Ref

KAFKA: dict[str, Any] = {
    "apiVersion": "kafka.strimzi.io/v1",
    "kind": "Kafka",
    "metadata": {"namespace": "sumflow-kafka", "name": "sumflow-kafka"},
    "spec": {"kafka": {}},
}
REF = Ref.of(KAFKA)
NAMESPACE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "sumflow-kafka", "annotations": {restore.CLUSTER_ID_NOTE: "of-the-volumes"}},
}


@dataclass
class FakeCluster:
    """A server with an operator that answers a pause late: at the second look, with a status all of its own."""

    objects: dict[Ref, dict[str, Any]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    looks: int = 0

    def get(self, ref: Ref) -> Object | None:
        """Return an object; a paused Kafka's operator writes its whole status when it is looked at again."""
        found = self.objects.get(ref)
        if found and ref == REF and self._is_paused(found) and "conditions" not in found.get("status", {}):
            self.looks += 1
            if self.looks == 2:
                self.steps.append("operator answers")
                found["status"] = {"conditions": [{"type": "ReconciliationPaused", "status": "True"}]}
        return copy.deepcopy(found)

    def apply(self, wanted: Object, *, dry_run: bool = False, force: bool = False) -> Object:
        """Put an object, keeping its status."""
        made = copy.deepcopy(dict(wanted))
        ref = Ref.of(made)
        made["status"] = self.objects.get(ref, {}).get("status", {})
        if not dry_run:
            self.objects[ref] = made
            self.steps.append("paused" if self._is_paused(made) else "applied")
        return made

    def merge(self, ref: Ref, change: Object, *, below: str = "") -> None:
        """Set a part of the status."""
        self.objects[ref].setdefault(below, {}).update(change[below])
        self.steps.append("id given")

    @staticmethod
    def _is_paused(found: Object) -> bool:
        return (found["metadata"].get("annotations") or {}).get(restore.PAUSED) == "true"


def _deployed(*there: dict[str, Any]) -> FakeCluster:
    """Apply the declared Kafka to a cluster on which some objects are."""
    cluster = FakeCluster({Ref.of(each): copy.deepcopy(each) for each in there})
    restore.apply(Applier(cast("Cluster", cluster), frozenset()), KAFKA)
    return cluster


def test_the_id_is_given_after_the_operator_has_answered_the_pause() -> None:
    """Given before, it would be overwritten; in the end the resource is not paused and has the id."""
    cluster = _deployed(NAMESPACE)
    assert cluster.steps == ["paused", "operator answers", "id given", "applied"]
    assert cluster.objects[REF]["status"]["clusterId"] == "of-the-volumes"


def test_an_interrupted_one_is_finished() -> None:
    """A deployment that ended between pause and id left a paused resource behind: the next one goes on there."""
    paused = copy.deepcopy(KAFKA)
    paused["metadata"]["annotations"] = {restore.PAUSED: "true"}
    cluster = _deployed(NAMESPACE, paused)
    assert cluster.steps[-2:] == ["id given", "applied"]
    assert cluster.objects[REF]["status"]["clusterId"] == "of-the-volumes"


def test_a_kafka_that_runs_is_only_applied() -> None:
    """Neither one that is there nor a new one without old volumes is ever paused."""
    running = copy.deepcopy(KAFKA) | {"status": {"clusterId": "its-own"}}
    assert _deployed(NAMESPACE, running).steps == ["applied"]
    bare = {**NAMESPACE, "metadata": {"name": "sumflow-kafka"}}
    assert _deployed(bare).steps == ["applied"]
