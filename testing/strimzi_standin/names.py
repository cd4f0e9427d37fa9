"""The names and labels that the real operator gives its objects: what services, selectors and checks address."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as its API writes it."""

MANAGER = "strimzi-cluster-operator"
CLUSTER_LABEL = "strimzi.io/cluster"
REVISION = "strimzi.io/revision"
"""Annotation of a pod: the digest of what it was made from. A pod with another one is replaced."""


def labels(cluster: str, component: str, name: str, **more: str) -> dict[str, str]:
    """Return the labels of an object of `component` (such as kafka), whose strimzi.io/name is `name`."""
    return {
        "app.kubernetes.io/instance": cluster,
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/name": component,
        "app.kubernetes.io/part-of": f"strimzi-{cluster}",
        CLUSTER_LABEL: cluster,
        "strimzi.io/component-type": component,
        "strimzi.io/kind": "Kafka",
        "strimzi.io/name": name,
    } | {f"strimzi.io/{key.replace('_', '-')}": value for key, value in more.items()}


def selector(cluster: str, name: str) -> dict[str, str]:
    """Return the labels that select the pods of the component named `name`."""
    return {CLUSTER_LABEL: cluster, "strimzi.io/kind": "Kafka", "strimzi.io/name": name}


def owner(custom_resource: Object) -> list[Object]:
    """Return the reference that makes the cluster delete an object together with `custom_resource`."""
    return [
        {
            "apiVersion": custom_resource["apiVersion"],
            "kind": custom_resource["kind"],
            "name": custom_resource["metadata"]["name"],
            "uid": custom_resource["metadata"]["uid"],
            "blockOwnerDeletion": True,
            "controller": custom_resource["kind"] == "StrimziPodSet",
        }
    ]


def thing(kind: str, name: str, its_labels: dict[str, str], owners: list[Object], **body: Any) -> Object:
    """Return an object of a kind whose apiVersion `kube.KINDS` knows."""
    metadata: Object = {"name": name, "labels": its_labels}
    if owners:
        metadata["ownerReferences"] = owners
    return {"kind": kind, "metadata": metadata, **body}
