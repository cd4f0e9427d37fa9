"""Removes what `deploy` created, in reverse order; the data stays unless it is asked for.

What stays without `--delete-data` is what a later deployment needs to go on with the same totals: volumes, the
passwords that open the databases on them, the topics inside of Kafka's volumes, the id of the Kafka cluster that wrote
them, and the namespaces around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sumflow.cluster import inventory, readiness, restore
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import RBAC, STRIMZI, Object, Ref, annotations_of, labels_of, meta, status
from sumflow.steps import NotYet, Readiness, Ready, Reporter, Step, run

UNMANAGED: Final = "strimzi.io/managed"
"""With `false` the topic operator lets a resource go without deleting the topic (Strimzi, Deploying and Managing)."""
WITHIN_S: Final = 300.0

_KAFKA: Final = Ref("", "v1", "Namespace", "", "sumflow-kafka")
_DATA: Final = frozenset({"PersistentVolumeClaim", "Secret"})
_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "HorizontalPodAutoscaler", "PodDisruptionBudget"})
_OPERATOR: Final = frozenset({"strimzi-cluster-operator", "strimzi-release"})


class RemovalReporter(Reporter, Protocol):
    """Hears what a removal does."""

    def removed(self, ref: Ref) -> None:
        """Hear that an object is being deleted."""

    def kept(self, ref: Ref, why: str) -> None:
        """Hear that an object stays, and why."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is removed together, and what it is called."""

    name: str
    refs: tuple[Ref, ...]


def parts(created: Iterable[Ref]) -> tuple[Part, ...]:
    """Divide what was created into parts, in the order of removal, without data, definitions and namespaces."""
    rest = [ref for ref in created if ref.kind not in _DATA | {"Namespace", "CustomResourceDefinition"}]
    operator = [ref for ref in rest if _is_operators(ref)]
    topics = [ref for ref in rest if ref.group == STRIMZI and ref.kind in ("KafkaTopic", "KafkaUser")]
    kafka = [ref for ref in rest if ref.group == STRIMZI and ref not in topics]
    others = [ref for ref in rest if ref not in {*operator, *topics, *kafka}]
    workloads = [ref for ref in others if ref.kind in _WORKLOADS]
    settings = [ref for ref in others if ref not in workloads]
    named = [
        ("workloads", workloads),
        ("services and settings", settings),
        ("topics", topics),
        ("Kafka cluster", kafka),
        ("Strimzi operator", operator),
    ]
    return tuple(Part(name, tuple(refs)) for name, refs in named if refs)


def remove(cluster: Cluster, reporter: RemovalReporter, *, delete_data: bool) -> int:
    """Remove everything that carries the mark of creation; return how many objects were deleted.

    Raises:
        StepError: something is still there when its time is over; the same command goes on.
    """
    created = inventory.created(cluster)
    refs = tuple(ref for ref, _ in created)
    if not delete_data:
        _note_cluster_id(cluster, created)
    run([_step(cluster, part, reporter) for part in parts(refs)], reporter)
    more = _remove_data(cluster, refs, reporter) if delete_data else _keep_data(refs, reporter)
    more += _remove_definitions(cluster, refs, reporter)
    return sum(len(part.refs) for part in parts(refs)) + more + _remove_namespaces(cluster, refs, reporter)


def _step(cluster: Cluster, part: Part, reporter: RemovalReporter) -> Step:
    def act() -> None:
        for ref in part.refs:
            if ref.kind == "KafkaTopic":
                # With the data or without: their volumes go or stay as a whole, and letting go needs no broker.
                cluster.merge(ref, {"metadata": {"annotations": {UNMANAGED: "false"}}})
            reporter.removed(ref)
            cluster.delete(ref)

    leftovers = _kafka_pods(cluster, part.refs) if part.name == "Kafka cluster" else lambda: ()
    return _awaited(part.name, act, lambda: (*_still_there(cluster, part.refs), *leftovers()))


def _awaited(name: str, act: Callable[[], None], left: Callable[[], tuple[str, ...]]) -> Step:
    def ready() -> Readiness:
        there = left()
        return NotYet("\n".join(there)) if there else Ready("gone")

    late = "what holds it is named above: a finalizer is removed by its operator, which must run; then destroy again"
    return Step(name, act, ready, WITHIN_S, when_late=late)


def _still_there(cluster: Cluster, refs: Iterable[Ref]) -> tuple[str, ...]:
    there = [(ref, found) for ref in refs if (found := cluster.get(ref)) is not None]
    return tuple(f"{ref} is being deleted{readiness.held_by(found)}" for ref, found in there)


def _kafka_pods(cluster: Cluster, refs: Iterable[Ref]) -> Callable[[], tuple[str, ...]]:
    """Wait for the pods too: a volume that is still mounted cannot be removed, nor taken over by the next cluster."""
    names = [ref for ref in refs if ref.kind == "Kafka"]

    def left() -> tuple[str, ...]:
        pods = [
            pod
            for ref in names
            for pod in cluster.list(Ref("", "v1", "Pod", ref.namespace, ""), labels=f"strimzi.io/cluster={ref.name}")
        ]
        return tuple(f"pod {meta(pod)['namespace']}/{meta(pod)['name']} is ending" for pod in pods)

    return left


def _note_cluster_id(cluster: Cluster, created: Iterable[tuple[Ref, Object]]) -> None:
    for ref, found in created:
        cluster_id = status(found).get("clusterId") if ref.kind == "Kafka" else None
        if cluster_id:
            note = {"metadata": {"annotations": {restore.CLUSTER_ID_NOTE: cluster_id}}}
            # A manager of its own: applying the declared namespace again must not take the note away.
            cluster.merge(Ref("", "v1", "Namespace", "", ref.namespace), note, manager="sumflow-destroy")


def _keep_data(refs: Iterable[Ref], reporter: RemovalReporter) -> int:
    for ref in refs:
        if ref.kind in _DATA:
            reporter.kept(ref, "it belongs to the data; --delete-data removes it")
    return 0


def _remove_data(cluster: Cluster, refs: Iterable[Ref], reporter: RemovalReporter) -> int:
    """Remove passwords and volumes, those of Kafka too: its operator made them for the resource that we created."""
    data = [ref for ref in refs if ref.kind in _DATA]
    place = Ref("", "v1", "PersistentVolumeClaim", _KAFKA.name, "")
    for claim in cluster.list(place) if _was_ours(cluster, refs) else ():
        if labels_of(claim).get("strimzi.io/cluster") == "sumflow-kafka":
            data.append(replace(place, name=str(meta(claim)["name"])))
    return _remove_all(cluster, "data", data, reporter)


def _was_ours(cluster: Cluster, refs: Iterable[Ref]) -> bool:
    """Tell whether Kafka is what `deploy` made, now or before its data was left; others may have made the namespace."""
    noted = restore.CLUSTER_ID_NOTE in annotations_of(cluster.get(_KAFKA))
    return noted or any(_KAFKA.name in (ref.namespace, ref.name) for ref in refs)


def _remove_definitions(cluster: Cluster, refs: Iterable[Ref], reporter: RemovalReporter) -> int:
    """Remove Strimzi's definitions, unless somebody else's resources would go with them."""
    definitions = [ref for ref in refs if ref.kind == "CustomResourceDefinition"]
    version = inventory.strimzi_version(cluster)
    used = [
        kind
        for kind in ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
        if version and cluster.list(Ref(STRIMZI, version, kind, "", ""))
    ]
    if used:
        for ref in definitions:
            reporter.kept(ref, f"resources of others need it: {', '.join(used)}")
        return 0
    return _remove_all(cluster, "definitions", definitions, reporter)


def _remove_namespaces(cluster: Cluster, refs: Iterable[Ref], reporter: RemovalReporter) -> int:
    empty = []
    for ref in (each for each in refs if each.kind == "Namespace"):
        # Others' objects, and our own data, are both a reason to leave the namespace around them.
        theirs = inventory.foreign(cluster, ref.name)
        ours = [each for each in refs if each.namespace == ref.name and cluster.get(each) is not None]
        if theirs or ours:
            reporter.kept(ref, f"it holds {', '.join(map(str, [*ours, *theirs][:5]))}")
        else:
            empty.append(ref)
    return _remove_all(cluster, "namespaces", empty, reporter)


def _remove_all(cluster: Cluster, name: str, refs: Sequence[Ref], reporter: RemovalReporter) -> int:
    """Remove objects and wait until they are gone; return how many they were."""

    def act() -> None:
        for ref in refs:
            reporter.removed(ref)
            cluster.delete(ref)

    if refs:
        run([_awaited(name, act, lambda: _still_there(cluster, refs))], reporter)
    return len(refs)


def _is_operators(ref: Ref) -> bool:
    return ref.group == RBAC or (ref.namespace == "sumflow-kafka" and ref.name in _OPERATOR)
