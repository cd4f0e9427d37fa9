"""Follows the names that objects call each other by, so that a misspelt one is found before a pod never starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sumflow.topology.declared import Declared
from sumflow.topology.objects import Block, Object

CLUSTER_KINDS = frozenset({"Namespace"})
WORKLOAD_KINDS = ("Deployment", "StatefulSet")


def check(declared: Declared) -> None:
    """Raise ManifestError at the first name that leads nowhere."""
    for found in declared.objects:
        _in_a_namespace(found, declared)
        follow = _FOLLOW.get(found.kind)
        if follow:
            follow(found, declared)


def _in_a_namespace(found: Object, declared: Declared) -> None:
    metadata = found.block("metadata")
    if found.kind in CLUSTER_KINDS:
        if found.namespace:
            raise metadata.need("namespace").refuse(f"a {found.kind} is in no namespace")
        return
    if not found.namespace:
        remedy = "write `namespace:`; what kubectl's context happens to be must not decide"
        raise metadata.refuse(f"{found.identity} says no namespace", remedy=remedy)
    declared.referred("Namespace", "", metadata, "namespace")


def _workload(found: Object, declared: Declared) -> None:
    pod = found.block("spec").block("template").block("spec")
    if "serviceAccountName" in pod:
        declared.referred("ServiceAccount", found.namespace, pod, "serviceAccountName")
    for volume in pod.blocks("volumes"):
        if "persistentVolumeClaim" in volume:
            claim = volume.block("persistentVolumeClaim")
            declared.referred("PersistentVolumeClaim", found.namespace, claim, "claimName")
    volumes = {volume.text("name") for volume in pod.blocks("volumes")}
    for container in pod.blocks("containers"):
        for mount in container.blocks("volumeMounts"):
            if mount.text("name") not in volumes:
                raise mount.need("name").refuse(f"this pod has no volume `{mount.text('name')}`")


def _service(found: Object, declared: Declared) -> None:
    spec = found.block("spec")
    pods = _selected(found, spec.block("selector"), spec.mapping("selector"), declared)
    ports = [port for pod in pods for container in pod.blocks("containers") for port in container.blocks("ports")]
    names = {port.text("name", "") for port in ports}
    numbers = {port.number("containerPort", least=1) for port in ports}
    for port in spec.blocks("ports"):
        target = port.get("targetPort") or port.need("port")
        known = names if isinstance(target.value, str) else numbers
        if isinstance(target.value, dict | list) or target.value not in known:
            raise target.refuse(f"no container behind {found.identity} has the port `{target.value}`")


def _disruption_budget(found: Object, declared: Declared) -> None:
    selector = found.block("spec").block("selector")
    _selected(found, selector, selector.mapping("matchLabels"), declared)


def _autoscaler(found: Object, declared: Declared) -> None:
    target = found.block("spec").block("scaleTargetRef")
    declared.referred(target.text("kind"), found.namespace, target)


def _selected(found: Object, at: Block, wanted: Mapping[str, str], declared: Declared) -> list[Block]:
    """Return the pods that a selector matches; raise ManifestError if there are none."""
    pods = []
    for kind in WORKLOAD_KINDS:
        for each in declared.of_kind(kind):
            template = each.block("spec").block("template")
            labels = template.block("metadata").mapping("labels")
            if wanted and each.namespace == found.namespace and wanted.items() <= labels.items():
                pods.append(template.block("spec"))
    if not pods:
        raise at.refuse(f"{found.identity} selects no pod that is declared")
    return pods


_FOLLOW: Mapping[str, Callable[[Object, Declared], None]] = {
    "Deployment": _workload,
    "StatefulSet": _workload,
    "Service": _service,
    "PodDisruptionBudget": _disruption_budget,
    "HorizontalPodAutoscaler": _autoscaler,
}
