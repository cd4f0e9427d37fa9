"""Asks a cluster what preflight must know; what we are not allowed to see is None, and no failure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sumflow.cluster import demand, deployed, preflight, registry, settle
from sumflow.cluster.client import Cluster
from sumflow.cluster.demand import Permission
from sumflow.cluster.failures import ForbiddenError
from sumflow.cluster.objects import Object, Ref, annotations_of, meta, status
from sumflow.cluster.preflight import Demand, Facts, ImageAnswer, NodeRoom, OperatorSeen, QuotaSeen
from sumflow.topology import quantities
from sumflow.topology.model import Topology

PARALLEL: Final = 8

_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_DEFINITION: Final = Ref("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "", "")
_NEVER_TAKES: Final = ("NoSchedule", "NoExecute")


def asked(
    declared: Topology, rendered: Iterable[Object], operator: Iterable[Object], image: str | None = None
) -> Demand:
    """Return what the declared system asks of any cluster; `image` is SumFlow's own, if not the declared one."""
    objects, installed = list(rendered), list(operator)
    return Demand(
        declared.strimzi,
        demand.pods([*objects, *installed]),
        demand.storage_classes(objects),
        frozenset([image] if image else (own for each in objects for own in _own_images(each))),
        {meta(each)["name"]: _served(each) for each in installed if each["kind"] == "CustomResourceDefinition"},
        declared.profile,
    )


def gather(cluster: Cluster, objects: Iterable[Object], wanted: Demand) -> Facts:
    """Ask a cluster for everything that preflight must know about it, and registries for what its nodes lack."""
    listed = list(objects)
    namespaces = frozenset(Ref.of(each).namespace for each in listed) - {""}
    nodes = _nodes(cluster, namespaces)
    return Facts(
        server=cluster.version(),
        storage_classes=_storage_classes(cluster),
        nodes=nodes,
        denied=denied(cluster, demand.permissions(listed)),
        operators=_operators(cluster),
        definitions=_definitions(cluster),
        quotas=tuple(quota for namespace in sorted(namespaces) for quota in _quotas(cluster, namespace)),
        registries=_registries(wanted.own_images, nodes),
        profile=_profile(cluster),
    )


def _profile(cluster: Cluster) -> str | None:
    try:
        return deployed.noted_profile(cluster)
    except ForbiddenError:
        return None


def _quotas(cluster: Cluster, namespace: str) -> Iterator[QuotaSeen]:
    for each in _seen(cluster, Ref("", "v1", "ResourceQuota", namespace, "")) or ():
        if not {"scopes", "scopeSelector"} & each["spec"].keys():
            # One with a scope is about some pods only, and ours may not be among them.
            yield quota_of(each)


def quota_of(found: Object) -> QuotaSeen:
    """Read what a ResourceQuota says of the pods of its namespace."""
    hard = {key.removeprefix("requests."): str(value) for key, value in (found["spec"].get("hard") or {}).items()}
    count, cpu, memory = hard.get("pods", hard.get("count/pods")), hard.get("cpu"), hard.get("memory")
    return QuotaSeen(
        str(meta(found)["namespace"]),
        str(meta(found)["name"]),
        None if count is None else quantities.size_bytes(count),
        None if cpu is None else quantities.millicores(cpu),
        None if memory is None else quantities.size_bytes(memory),
    )


def _registries(images: Iterable[str], nodes: Iterable[NodeRoom] | None) -> dict[str, ImageAnswer]:
    """Ask for the images that a node would have to pull."""
    pulled = [image for image in images if preflight.is_pulled(image)]
    return {image: registry.ask(image) for image in pulled if nodes is None or preflight.nodes_without(image, nodes)}


def denied(cluster: Cluster, needed: Iterable[Permission]) -> tuple[Permission, ...]:
    """Return what of it we lack; whoever may do everything with a resource is asked once for it."""
    by_resource: dict[Permission, list[Permission]] = defaultdict(list)
    for each in needed:
        by_resource[Permission("*", each.group, each.resource, each.namespace, each.subresource)].append(each)
    with ThreadPoolExecutor(PARALLEL) as pool:
        every = zip(by_resource, pool.map(cluster.may, by_resource), strict=True)
        single = [each for all_verbs, allowed in every if not allowed for each in by_resource[all_verbs]]
        return tuple(each for each, allowed in zip(single, pool.map(cluster.may, single), strict=True) if not allowed)


def _storage_classes(cluster: Cluster) -> frozenset[str] | None:
    found = _seen(cluster, Ref("storage.k8s.io", "v1", "StorageClass", "", ""))
    if found is None:
        return None
    default = {""} if any(annotations_of(each).get(_DEFAULT_CLASS) == "true" for each in found) else set()
    return frozenset({str(meta(each)["name"]) for each in found} | default)


def _nodes(cluster: Cluster, ours: frozenset[str]) -> tuple[NodeRoom, ...] | None:
    nodes = _seen(cluster, Ref("", "v1", "Node", "", ""))
    if nodes is None:
        return None
    taken: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for pod in _seen(cluster, Ref("", "v1", "Pod", "", "")) or ():
        if meta(pod)["namespace"] not in ours and status(pod).get("phase") in ("Pending", "Running"):
            _add(taken[str(pod["spec"].get("nodeName", ""))], pod)
    return tuple(_room(node, taken[meta(node)["name"]]) for node in nodes if _takes_pods(node))


def _add(taken: list[int], pod: Object) -> None:
    for container in pod["spec"]["containers"]:
        requests = (container.get("resources") or {}).get("requests") or {}
        taken[0] += quantities.millicores(str(requests.get("cpu", 0)))
        taken[1] += quantities.size_bytes(str(requests.get("memory", 0)))


def _room(node: Object, taken: list[int]) -> NodeRoom:
    allocatable = status(node)["allocatable"]
    images = [name for each in status(node).get("images") or () for name in each.get("names") or ()]
    return NodeRoom(
        str(meta(node)["name"]),
        quantities.millicores(str(allocatable["cpu"])) - taken[0],
        quantities.size_bytes(str(allocatable["memory"])) - taken[1],
        frozenset(images),
        len(status(node).get("images") or ()),
    )


def _takes_pods(node: Object) -> bool:
    taints = node["spec"].get("taints") or ()
    return not node["spec"].get("unschedulable") and not any(each.get("effect") in _NEVER_TAKES for each in taints)


def _operators(cluster: Cluster) -> tuple[OperatorSeen, ...] | None:
    found = _seen(cluster, Ref("apps", "v1", "Deployment", "", ""))
    if found is None:
        return None
    return tuple(seen for each in found if (seen := _operator(each)))


def _operator(deployment: Object) -> OperatorSeen | None:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    image = str(container["image"]).split("@")[0]
    if "strimzi/operator" not in image or "entity-operator" in meta(deployment)["name"]:
        return None
    namespace = str(meta(deployment)["namespace"])
    variables = {each["name"]: each for each in container.get("env") or ()}
    watched = variables.get("STRIMZI_NAMESPACE") or {}
    value = namespace if "valueFrom" in watched else str(watched.get("value", "*"))
    watches = frozenset() if value.strip() in ("", "*") else frozenset(part.strip() for part in value.split(","))
    return OperatorSeen(namespace, str(meta(deployment)["name"]), image.rpartition(":")[2], watches)


def _definitions(cluster: Cluster) -> dict[str, frozenset[str]] | None:
    found = _seen(cluster, _DEFINITION, labels="app=strimzi")
    return None if found is None else {str(meta(each)["name"]): _served(each) for each in found}


def _served(definition: Object) -> frozenset[str]:
    return frozenset(str(each["name"]) for each in definition["spec"]["versions"] if each.get("served"))


def _own_images(found: Object) -> list[str]:
    if Ref.of(found).group != "apps":
        return []
    images = [str(each["image"]) for each in found["spec"]["template"]["spec"]["containers"]]
    return [image for image in images if settle.is_own_image(image)]


def _seen(cluster: Cluster, ref: Ref, labels: str = "") -> tuple[Object, ...] | None:
    try:
        return cluster.list(ref, labels=labels)
    except ForbiddenError:
        return None
