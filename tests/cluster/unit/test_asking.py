"""What containers that run and are not ready say of themselves, and what a deployment makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from sumflow.cluster import asking, observe, streams
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Object, Ref
from sumflow.cluster.verdict import Around, Speaker, Waiting
from sumflow.settings import Address
from sumflow.steps import NotYet, Ready
from sumflow.telemetry.health import HealthServer
from tests.cluster.unit.recorded import running_pod
from tests.ports import free_address

CLUSTER = cast("Cluster", None)
SERVICE = Ref("apps", "v1", "Deployment", "sumflow", "totalizer")


def _unready(*, ready: bool = False) -> dict[str, Any]:
    """Return a pod with one container whose readiness is asked at a named port."""
    pod = running_pod(ready=ready)
    name = pod["status"]["containerStatuses"][0]["name"]
    probe = {"httpGet": {"path": "/readyz", "port": "metrics"}}
    ports = [{"name": "metrics", "containerPort": 9091}]
    pod["spec"] = {**pod.get("spec", {}), "containers": [{"name": name, "ports": ports, "readinessProbe": probe}]}
    return pod


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str | None]]:
    """A service's health port behind port 9091 of every pod; what it says can be changed."""
    says: list[str | None] = ["starting"]
    address = free_address()

    @contextmanager
    def forwarded(_: Cluster, find: Callable[[], streams.Pod], port: int) -> Iterator[Address]:
        assert port == 9091
        yield address

    monkeypatch.setattr(streams, "forwarded", forwarded)
    server = HealthServer(address, CollectorRegistry(), live=lambda: None, ready=lambda: says[0])
    yield says
    server.close()


def test_a_container_that_is_not_ready_says_why(service: list[str | None]) -> None:
    """Kubernetes knows only that the probe failed; the reason is on the page that the probe asked."""
    (answer,) = asking.unready(CLUSTER, [_unready()])
    assert answer.reason == "starting"
    told = asking.with_answers(Waiting("0 of 1 available"), [answer])
    assert told.reason.splitlines() == ["0 of 1 available", str(answer)]
    assert not told.halted


def test_whoever_is_ready_is_not_asked(service: list[str | None]) -> None:
    """A ready container has nothing to explain, nor has one that has become ready in between."""
    assert asking.unready(CLUSTER, [_unready(ready=True)]) == []
    service[0] = None
    assert asking.unready(CLUSTER, [_unready()]) == []
    assert asking.with_answers(Waiting("x"), []) == Waiting("x")


def test_who_does_not_answer_leaves_it_at_what_kubernetes_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that is just starting refuses connections: no reason to fail."""

    @contextmanager
    def forwarded(*_: object) -> Iterator[Address]:
        yield free_address()

    monkeypatch.setattr(streams, "forwarded", forwarded)
    assert asking.unready(CLUSTER, [_unready()]) == []


class _Watched(observe.Watch):
    """A look at one Deployment with one pod."""

    def _around(self, ref: Ref, live: Object) -> Around:
        return Around(pods=(_unready(),))


class _OneDeployment:
    def get(self, ref: Ref) -> Object:
        """Return a Deployment whose pods are not available."""
        return {
            "metadata": {"name": ref.name, "namespace": ref.namespace, "generation": 1},
            "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
        }

    def logs(self, speaker: Speaker, lines: int) -> str:
        """Return nothing: it has logged nothing yet."""
        return ""


def test_a_deployment_goes_on_past_what_has_halted(service: list[str | None]) -> None:
    """A person must act, and for that the rest must be up: it is told, and not waited for; what starts is."""
    watch = _Watched(cast("Cluster", _OneDeployment()))
    assert isinstance(watch.ready([SERVICE]), NotYet)
    service[0] = "halted: the topic was recreated. `sumflow rebuild`"
    seen = watch.ready([SERVICE])
    assert isinstance(seen, Ready)
    assert "`sumflow rebuild`" in seen.evidence
    assert isinstance(watch.judge(SERVICE), Waiting)


def test_another_password_than_the_databases_is_told_with_its_remedy() -> None:
    """A Secret that was deleted is made anew by `deploy`, and fits the database no more: waiting does not mend that."""
    said = 'connection failed: FATAL: password authentication failed for user "adder"'
    told = asking.with_answers(Waiting("0 of 1 available"), [asking.Answer("sumflow/adder-1", "adder", said)])
    assert "`sumflow secrets rotate`" in told.reason
