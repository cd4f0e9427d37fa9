"""Kubernetes objects as plain values, and the names by which people and the API know them.

The kinds that SumFlow handles are listed here, so that nothing has to be discovered: a difference can be told before
the custom resources' definitions are installed, and a missing permission can be named exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sumflow.errors import UsageError

Object: TypeAlias = Mapping[str, Any]
"""An object as JSON gives it."""

FIELD_MANAGER: Final = "sumflow"
STRIMZI: Final = "kafka.strimzi.io"
RBAC: Final = "rbac.authorization.k8s.io"

CREATED_BY: Final = "sumflow.io/created-by"
"""The annotation on what `deploy` created and did not merely change; only that is ever deleted."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the API serves a kind: its plural in the path, and whether it lives in namespaces."""

    plural: str
    namespaced: bool = True


_CORE: Final = {
    "Namespace": Kind("namespaces", namespaced=False),
    "Node": Kind("nodes", namespaced=False),
    "PersistentVolume": Kind("persistentvolumes", namespaced=False),
    "Pod": Kind("pods"),
    "Event": Kind("events"),
    "Service": Kind("services"),
    "ServiceAccount": Kind("serviceaccounts"),
    "ConfigMap": Kind("configmaps"),
    "Secret": Kind("secrets"),
    "PersistentVolumeClaim": Kind("persistentvolumeclaims"),
    "ResourceQuota": Kind("resourcequotas"),
    "LimitRange": Kind("limitranges"),
}
_GROUPS: Final = {
    ("apps", "Deployment"): Kind("deployments"),
    ("apps", "ReplicaSet"): Kind("replicasets"),
    ("apps", "StatefulSet"): Kind("statefulsets"),
    ("apps", "DaemonSet"): Kind("daemonsets"),
    ("policy", "PodDisruptionBudget"): Kind("poddisruptionbudgets"),
    ("autoscaling", "HorizontalPodAutoscaler"): Kind("horizontalpodautoscalers"),
    ("networking.k8s.io", "NetworkPolicy"): Kind("networkpolicies"),
    ("networking.k8s.io", "Ingress"): Kind("ingresses"),
    ("storage.k8s.io", "StorageClass"): Kind("storageclasses", namespaced=False),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Kind("customresourcedefinitions", namespaced=False),
    (RBAC, "Role"): Kind("roles"),
    (RBAC, "RoleBinding"): Kind("rolebindings"),
    (RBAC, "ClusterRole"): Kind("clusterroles", namespaced=False),
    (RBAC, "ClusterRoleBinding"): Kind("clusterrolebindings", namespaced=False),
    (STRIMZI, "Kafka"): Kind("kafkas"),
    (STRIMZI, "KafkaNodePool"): Kind("kafkanodepools"),
    (STRIMZI, "KafkaTopic"): Kind("kafkatopics"),
    (STRIMZI, "KafkaUser"): Kind("kafkausers"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"): Kind("selfsubjectaccessreviews", namespaced=False),
}
KINDS: Final = {("", kind): how for kind, how in _CORE.items()} | _GROUPS


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One object's name in full; `namespace` is empty for what belongs to none."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, found: Object) -> Ref:
        """Take an object's name."""
        group, slash, version = str(found["apiVersion"]).rpartition("/")
        meta = found["metadata"]
        return cls(
            group if slash else "", version, str(found["kind"]), str(meta.get("namespace", "")), str(meta["name"])
        )

    @property
    def how(self) -> Kind:
        """How the API serves it; raise UsageError for a kind that SumFlow does not handle."""
        how = KINDS.get((self.group, self.kind))
        if how is None:
            raise UsageError(
                f"objects of the kind {self.kind} ({self.group or 'core'}) are not handled",
                remedy="apply that object with kubectl, and leave it out of the profile",
            )
        return how

    @property
    def resource(self) -> str:
        """The plural with its group, as roles and kubectl write it: `statefulsets.apps`."""
        return f"{self.how.plural}.{self.group}" if self.group else self.how.plural

    @property
    def collection(self) -> str:
        """The path of all objects of this kind in this namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{self.namespace}" if self.how.namespaced and self.namespace else ""
        return f"{root}{inside}/{self.how.plural}"

    @property
    def path(self) -> str:
        """The path of this object."""
        return f"{self.collection}/{self.name}"

    @property
    def typed_name(self) -> str:
        """As kubectl prints it: `statefulset.apps/adder-postgres`."""
        return f"{self.kind.lower()}{'.' if self.group else ''}{self.group}/{self.name}"

    @property
    def kubectl(self) -> str:
        """What follows `kubectl get` or `kubectl describe`."""
        return f"{self.typed_name}{f' -n {self.namespace}' if self.namespace else ''}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}{'/' if self.namespace else ''}{self.name}"


def meta(found: Object | None) -> Mapping[str, Any]:
    """Return an object's metadata, empty where there is no object."""
    return (found or {}).get("metadata") or {}


def labels_of(found: Object | None) -> Mapping[str, str]:
    """Return an object's labels."""
    return meta(found).get("labels") or {}


def annotations_of(found: Object | None) -> Mapping[str, str]:
    """Return an object's annotations."""
    return meta(found).get("annotations") or {}


def status(found: Object | None) -> Mapping[str, Any]:
    """Return an object's status, empty where the controller has not spoken yet."""
    return (found or {}).get("status") or {}


def condition(found: Object | None, kind: str) -> Mapping[str, Any]:
    """Return one condition of an object's status, empty if it is not there."""
    for each in status(found).get("conditions") or ():
        if each.get("type") == kind:
            return dict(each)
    return {}


def is_seen(found: Object | None) -> bool:
    """Tell whether the controller's status speaks of the object as it is now, and not of an earlier one."""
    return int(status(found).get("observedGeneration", 0)) >= int(meta(found).get("generation", 0))
