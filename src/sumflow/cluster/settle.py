"""What is applied for a declared object, given the object that is there: the few fields left open by the declaration.

Applying the declaration alone would roll back an autoscaler, overwrite a generated password, or lose the mark of
creation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sumflow.cluster import passwords
from sumflow.cluster.objects import CREATED_BY, FIELD_MANAGER, Object, Ref, annotations_of
from sumflow.topology.model import Secret


def with_image(objects: Iterable[Object], image: str | None) -> tuple[Object, ...]:
    """Put another reference in the place of SumFlow's own image; None leaves the declared one."""
    if image is None:
        return tuple(objects)
    return tuple(_with_image(each, image) for each in objects)


def is_own_image(reference: str) -> bool:
    """Tell whether an image is SumFlow's, as the manifests declare it."""
    return reference.startswith("sumflow:")


def scaled_by_others(objects: Iterable[Object]) -> frozenset[tuple[str, str, str]]:
    """Return (namespace, kind, name) of every workload whose replicas an autoscaler decides."""
    return frozenset(
        (ref.namespace, each["spec"]["scaleTargetRef"]["kind"], each["spec"]["scaleTargetRef"]["name"])
        for each in objects
        if (ref := Ref.of(each)).kind == "HorizontalPodAutoscaler"
    )


def settled(
    declared: Object,
    live: Object | None,
    *,
    scaled: frozenset[tuple[str, str, str]],
    generate: Callable[[], str] = passwords.generate,
) -> dict[str, Any]:
    """Return what to apply for a declared object.

    Args:
        declared: the object as the manifests have it.
        live: the object that is there, None if none is.
        scaled: the workloads whose replicas an autoscaler decides.
        generate: makes a password.
    """
    made = copy.deepcopy(dict(declared))
    ref = Ref.of(declared)
    if live is None or CREATED_BY in annotations_of(live):
        made["metadata"].setdefault("annotations", {})[CREATED_BY] = FIELD_MANAGER
    copies = (live or {}).get("spec", {}).get("replicas")
    # Whoever sets 0 switches the autoscaler off: then the declared number brings the workload back.
    if copies and (ref.namespace, ref.kind, ref.name) in scaled:
        # Left out, the field would be given up and fall back to 1; with its own value it neither changes nor conflicts.
        made["spec"]["replicas"] = copies
    if ref.kind == "Secret":
        data = passwords.data(_secret_values(declared), (live or {}).get("data"), Secret.PLACEHOLDER, generate)
        made.pop("stringData", None)
        made["data"] = data
    return made


def _secret_values(declared: Object) -> Mapping[str, str]:
    return {**passwords.decoded(declared.get("data") or {}), **(declared.get("stringData") or {})}


def _with_image(found: Object, image: str) -> Object:
    if found["kind"] not in ("Deployment", "StatefulSet", "DaemonSet"):
        return found
    made = copy.deepcopy(dict(found))
    spec = made["spec"]["template"]["spec"]
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        if is_own_image(container["image"]):
            container["image"] = image
    return made
