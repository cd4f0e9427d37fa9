"""Which pod is spoken to, and what is said when there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from sumflow import topology
from sumflow.cluster import deployed
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Object, Ref
from sumflow.cluster.streams import Pod
from sumflow.errors import NotRunningError
from tests.cluster.unit.recorded import JUST_NOW, pod, running_pod


@dataclass
class FakeCluster:
    """A server with some pods; none of its nodes is away."""

    pods: tuple[dict[str, Any], ...]

    def list(self, ref: Ref, *, labels: str = "", fields: str = "") -> tuple[Object, ...]:
        """Return the pods, and nothing else."""
        return self.pods if ref.kind == "Pod" else ()

    def get(self, ref: Ref) -> Object | None:
        """Return a pod by its name; every node is ready."""
        if ref.kind == "Node":
            return {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        return next((each for each in self.pods if each["metadata"]["name"] == ref.name), None)


def _named(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {**found, "metadata": {**found["metadata"], "name": name}}


def test_any_pod_that_is_ready_may_be_spoken_to() -> None:
    """One whose node was lost a moment ago is still called ready: who tries again must be led to another one."""
    leaving = _named(running_pod(ready=True), "leaving")
    leaving["metadata"]["deletionTimestamp"] = JUST_NOW
    there = (*(_named(running_pod(ready=True), name) for name in ("a", "b")), _named(running_pod(ready=False), "c"))
    cluster = cast("Cluster", FakeCluster((*there, leaving)))
    assert {deployed.ready_pod(cluster, "sumflow", "app=adder", "adder").name for _ in range(200)} == {"a", "b"}


def test_a_pod_that_is_not_ready_is_told_with_its_reason() -> None:
    """A database's pod is known by its name; what holds it back is told instead of a connection that is closed."""
    waiting = pod(phase="Pending", containerStatuses=[])
    cluster = cast("Cluster", FakeCluster((waiting,)))
    with pytest.raises(NotRunningError, match="pod sumflow/adder-postgres-0: pending"):
        deployed.ready(cluster, Pod("sumflow", "adder-postgres-0", "postgres"))
    ready = Pod("sumflow", "adder-postgres-0", "postgres")
    assert deployed.ready(cast("Cluster", FakeCluster((running_pod(ready=True),))), ready) == ready


def test_what_is_scaled_to_nothing_is_not_well() -> None:
    """Kubernetes calls 0 of 0 complete; whoever asks how the system is must hear that nothing works there."""

    class Scaled(FakeCluster):
        def get(self, ref: Ref) -> Object | None:
            return {"metadata": {"name": ref.name}, "spec": {"replicas": 0}} if ref.group == "apps" else None

    parts = deployed.parts(cast("Cluster", Scaled(())), topology.load("dev"))
    workloads = [part for part in parts if part.ref.group == "apps"]
    assert {part.state for part in workloads} == {"failed"}
    assert all(part.reason.endswith("is scaled to 0") and "sumflow deploy" in part.remedy for part in workloads)
