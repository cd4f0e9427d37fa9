"""Which object belongs to which stage, and what each stage waits for: the specification's deployment order as a value.

Stages that do not need each other run side by side: the databases are started while the operator builds Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sumflow.cluster.objects import STRIMZI, Object, Ref, labels_of

NAMESPACES: Final = "namespaces"
OPERATOR: Final = "Strimzi operator"
KAFKA: Final = "Kafka cluster"
TOPICS: Final = "topics"
DATABASES: Final = "PostgreSQL"
SERVICES: Final = "services"
OBSERVABILITY: Final = "observability"


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the system that is brought up as one.

    Args:
        objects: in the order in which they are applied.
        after: the stages that must be ready before.
        within_s: the time limit for becoming ready, in seconds.
    """

    name: str
    objects: tuple[Object, ...]
    after: tuple[str, ...]
    within_s: float


_ORDER: Final[Mapping[str, tuple[tuple[str, ...], float]]] = {
    NAMESPACES: ((), 60),
    OPERATOR: ((NAMESPACES,), 300),
    KAFKA: ((OPERATOR,), 600),
    TOPICS: ((KAFKA,), 120),
    DATABASES: ((NAMESPACES,), 300),
    SERVICES: ((TOPICS, DATABASES), 300),
    OBSERVABILITY: ((NAMESPACES,), 300),
}
"""The specification's steps 1 to 7 and ours after them: what each needs, and its limit in seconds (300 and 600 are the
specification's own)."""

_KIND_ORDER: Final = (
    "Namespace",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "ServiceAccount",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
    "KafkaNodePool",
    "Kafka",
    "KafkaTopic",
    "KafkaUser",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
)
"""What others refer to comes first, as kubectl and Helm order it."""


def plan(rendered: Iterable[Object], operator: Iterable[Object]) -> tuple[Stage, ...]:
    """Divide the objects into stages; stages without objects are left out, their needs passed on.

    Args:
        rendered: the profile's objects.
        operator: the objects of Strimzi's install files.
    """
    found: dict[str, list[Object]] = {name: [] for name in _ORDER}
    for each in rendered:
        found[stage_of(each)].append(each)
    found[OPERATOR].extend(operator)
    present = [name for name in _ORDER if found[name]]
    return tuple(
        Stage(name, tuple(sorted(found[name], key=_rank)), _needs(name, present), _ORDER[name][1]) for name in present
    )


def stage_of(found: Object) -> str:
    """Name the stage that an object of a profile belongs to."""
    ref, component = Ref.of(found), labels_of(found).get("app.kubernetes.io/component", "")
    if ref.kind == "Namespace":
        return NAMESPACES
    if ref.group == STRIMZI:
        return TOPICS if ref.kind in ("KafkaTopic", "KafkaUser") else KAFKA
    if component == "operator":
        return OPERATOR
    if ref.namespace == "sumflow-monitoring":
        return OBSERVABILITY
    return DATABASES if component == "database" else SERVICES


def _rank(found: Object) -> tuple[int, Ref]:
    ref = Ref.of(found)
    place = _KIND_ORDER.index(ref.kind) if ref.kind in _KIND_ORDER else len(_KIND_ORDER)
    return place, ref


def _needs(name: str, present: list[str]) -> tuple[str, ...]:
    needs: dict[str, None] = {}
    for need in _ORDER[name][0]:
        needs.update(dict.fromkeys((need,) if need in present else _needs(need, present)))
    return tuple(needs)
