"""What `deploy` created on a cluster, found by its mark; needs neither the manifests nor Strimzi's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import CREATED_BY, KINDS, STRIMZI, Object, Ref, annotations_of, meta

NAMESPACES: Final = ("sumflow", "sumflow-kafka", "sumflow-monitoring")

_VERSIONS: Final = {
    "": "v1",
    "apps": "v1",
    "policy": "v1",
    "autoscaling": "v2",
    "networking.k8s.io": "v1",
    "rbac.authorization.k8s.io": "v1",
    "apiextensions.k8s.io": "v1",
}
GROUPS: Final = frozenset({*_VERSIONS, STRIMZI})
"""The API groups of what `deploy` makes."""
_LEFT_OUT: Final = frozenset({"Pod", "Event", "Node", "PersistentVolume", "ReplicaSet"})
"""Kinds of which `deploy` never makes one: their controllers do, or the cluster has them."""

_BORN_WITH_A_NAMESPACE: Final = frozenset({("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")})
"""What every namespace has from the beginning: no sign that somebody else uses it."""


def strimzi_version(cluster: Cluster) -> str | None:
    """Return the version of Strimzi's API that is stored; None if its definitions are not installed."""
    definition = cluster.get(Ref("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "", f"kafkas.{STRIMZI}"))
    versions = (definition or {}).get("spec", {}).get("versions", ())
    return next((str(each["name"]) for each in versions if each.get("storage")), None)


def kinds(cluster: Cluster) -> Iterator[Ref]:
    """Return each kind in each place where `deploy` may have made something; the names are empty."""
    custom = strimzi_version(cluster)
    versions = _VERSIONS | ({STRIMZI: custom} if custom else {})
    for (group, kind), how in KINDS.items():
        if group in versions and kind not in _LEFT_OUT:
            for namespace in NAMESPACES if how.namespaced else ("",):
                yield Ref(group, versions[group], kind, namespace, "")


def created(cluster: Cluster) -> tuple[tuple[Ref, Object], ...]:
    """Return everything that carries the mark of creation."""
    return tuple(
        (ref, found) for ref, found in everything(cluster, kinds(cluster)) if CREATED_BY in annotations_of(found)
    )


def everything(cluster: Cluster, places: Iterable[Ref]) -> Iterator[tuple[Ref, Object]]:
    """Return all objects of the given kinds."""
    for place in places:
        for found in cluster.list(place):
            namespace = str(meta(found).get("namespace", ""))
            yield Ref(place.group, place.version, place.kind, namespace, str(meta(found)["name"])), found


def foreign(cluster: Cluster, namespace: str) -> tuple[Ref, ...]:
    """Return what is in a namespace that `deploy` did not create, and that nobody owns who is ours.

    Pods, ReplicaSets, Endpoints and the like belong to an object that is looked at itself.
    """
    places = [each for each in kinds(cluster) if each.namespace == namespace]
    return tuple(
        ref
        for ref, found in everything(cluster, places)
        if CREATED_BY not in annotations_of(found)
        and (ref.kind, ref.name) not in _BORN_WITH_A_NAMESPACE
        and not meta(found).get("ownerReferences")
    )
