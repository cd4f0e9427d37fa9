"""Objects as API servers answer them, cut down to what is looked at; times are fixed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 24, 16, 0, 30, tzinfo=UTC)
JUST_NOW = "2026-11-24T16:00:28Z"
LONG_AGO = "2026-11-24T15:00:00Z"


def pod(name: str = "adder-postgres-0", **status: Any) -> dict[str, Any]:
    """Return a pod of the namespace sumflow with a status."""
    return {"kind": "Pod", "metadata": {"namespace": "sumflow", "name": name, "uid": f"uid-{name}"}, "status": status}


def container(name: str = "postgres", *, ready: bool = False, restarts: int = 0, **more: Any) -> dict[str, Any]:
    """Return a container's status."""
    return {"name": name, "image": "postgres:16-alpine", "ready": ready, "restartCount": restarts, **more}


def held(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """Return a pod whose one container is held back."""
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(phase="Pending", containerStatuses=[container(state=state, **more)])


def unscheduled(message: str, since: str = LONG_AGO) -> dict[str, Any]:
    """Return a pod that no node takes."""
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(phase="Pending", conditions=[{**refused, "lastTransitionTime": since}])


def running_pod(*, ready: bool) -> dict[str, Any]:
    """Return a pod whose container runs."""
    return pod(
        phase="Running",
        conditions=[{"type": "Ready", "status": str(ready)}],
        containerStatuses=[container(ready=ready, state={"running": {}})],
    )


def warning(about: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    """Return a warning event about an object."""
    return {"involvedObject": {"uid": about["metadata"]["uid"]}, "reason": reason, "message": message}


def deployment(*, generation: int = 1, observed: int = 1, **status: Any) -> dict[str, Any]:
    """Return the adder's Deployment with a status."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "sumflow", "name": "adder", "generation": generation, "uid": "uid-adder"},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": observed, **status},
    }


def stateful_set(*, observed: int = 1, **status: Any) -> dict[str, Any]:
    """Return the adder's database with a status."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"namespace": "sumflow", "name": "adder-postgres", "generation": 1, "uid": "uid-db"},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": observed, "currentRevision": "r1", "updateRevision": "r1", **status},
    }


def custom(kind: str, *conditions: dict[str, Any], generation: int = 1, observed: int | None = 1) -> dict[str, Any]:
    """Return a Strimzi resource with conditions; `observed` None is an operator that has not spoken yet."""
    status = {} if observed is None else {"observedGeneration": observed, "conditions": list(conditions)}
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": kind,
        "metadata": {"namespace": "sumflow-kafka", "name": "sumflow-kafka", "generation": generation, "uid": "uid-k"},
        "spec": {},
        "status": status,
    }
