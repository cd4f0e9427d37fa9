"""What the declared system asks of a cluster: room for its pods, storage classes, permissions; read off the objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sumflow.cluster.objects import RBAC, STRIMZI, Object, Ref
from sumflow.topology import quantities

_APPLY: Final = ("get", "create", "patch")
_LOOK: Final = (("", "pods"), ("", "events"), ("", "persistentvolumeclaims"), ("apps", "replicasets"))


@dataclass(frozen=True, slots=True)
class PodRoom:
    """What one pod requests; CPU in millicores, memory in bytes."""

    name: str
    cpu_m: int
    memory: int
    namespace: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """A verb on a resource; `namespace` is empty for all of the cluster, `subresource` for the resource itself."""

    verb: str
    group: str
    resource: str
    namespace: str
    subresource: str = ""

    def __str__(self) -> str:
        name = f"{self.resource}{f'/{self.subresource}' if self.subresource else ''}"
        where = f"in the namespace {self.namespace}" if self.namespace else "in the whole cluster"
        return f"{self.verb} {name}{f'.{self.group}' if self.group else ''} {where}"


def pods(objects: Iterable[Object]) -> tuple[PodRoom, ...]:
    """Return every pod that the objects lead to, with its requests, the largest first."""
    found = [room for each in objects for room in _pods(each)]
    return tuple(sorted(found, key=lambda room: (-room.memory, -room.cpu_m, room.name)))


def storage_classes(objects: Iterable[Object]) -> dict[str, tuple[str, ...]]:
    """Return the storage classes that claims name, each with who names it; the empty name is the default class."""
    named: dict[str, tuple[str, ...]] = {}
    for each in objects:
        for storage_class in _classes(each):
            named[storage_class] = (*named.get(storage_class, ()), str(Ref.of(each)))
    return named


def permissions(objects: Iterable[Object]) -> tuple[Permission, ...]:
    """Return what whoever deploys must be allowed to do: apply each object, and see how its pods are."""
    refs = [Ref.of(each) for each in objects]
    needed = {
        Permission(verb, ref.group, ref.how.plural, ref.namespace if ref.how.namespaced else "")
        for ref in refs
        for verb in _APPLY
    }
    spaces = {
        ref.namespace for ref in refs if ref.how.namespaced and ref.kind in ("Deployment", "StatefulSet", "Kafka")
    }
    needed |= {Permission("list", group, resource, space) for group, resource in _LOOK for space in spaces}
    needed |= {Permission("get", "", "pods", space, "log") for space in spaces}
    return tuple(sorted(needed))


def escalations() -> tuple[Permission, ...]:
    """Return the permissions without which a role can only be made by somebody who holds all that it grants."""
    return tuple(Permission(verb, RBAC, "clusterroles", "") for verb in ("bind", "escalate"))


def _pods(found: Object) -> Iterator[PodRoom]:
    ref, spec = Ref.of(found), found.get("spec") or {}
    if ref.kind in ("Deployment", "StatefulSet") and ref.group == "apps":
        containers = spec["template"]["spec"]["containers"]
        yield from _copies(ref, ref.name, spec.get("replicas", 1), [each.get("resources") for each in containers])
    elif (ref.group, ref.kind) == (STRIMZI, "KafkaNodePool"):
        yield from _copies(ref, f"kafka {ref.name}", spec.get("replicas", 1), [spec.get("resources")])
    elif (ref.group, ref.kind) == (STRIMZI, "Kafka"):
        for part in ("kafka", "zookeeper"):
            # With node pools the cluster itself says neither replicas nor resources.
            below = spec.get(part) or {}
            yield from _copies(ref, part, below.get("replicas", 0), [below.get("resources")])


def _copies(ref: Ref, name: str, replicas: int, containers: list[Mapping[str, Any] | None]) -> Iterator[PodRoom]:
    cpu_m, memory = 0, 0
    for resources in containers:
        requests = (resources or {}).get("requests") or {}
        cpu_m += quantities.millicores(str(requests.get("cpu", 0)))
        memory += quantities.size_bytes(str(requests.get("memory", 0)))
    yield from (PodRoom(f"{name}-{index}", cpu_m, memory, ref.namespace) for index in range(replicas))


def _classes(found: Object) -> Iterator[str]:
    ref, spec = Ref.of(found), found.get("spec") or {}
    if ref.kind == "PersistentVolumeClaim":
        yield str(spec.get("storageClassName", ""))
    elif (ref.group, ref.kind) == (STRIMZI, "KafkaNodePool"):
        yield from _volumes(spec.get("storage") or {})
    elif (ref.group, ref.kind) == (STRIMZI, "Kafka"):
        for part in ("kafka", "zookeeper"):
            yield from _volumes((spec.get(part) or {}).get("storage") or {})


def _volumes(storage: Mapping[str, Any]) -> Iterator[str]:
    if storage.get("type") == "persistent-claim":
        yield str(storage.get("class", ""))
    for volume in storage.get("volumes") or ():
        yield from _volumes(volume)
