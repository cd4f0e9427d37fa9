"""The documented roles allow everything that a deployment asks for, and grant nothing that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sumflow import topology
from sumflow.chaos import on_kubernetes
from sumflow.cluster import demand, inventory
from sumflow.cluster.demand import Permission
from sumflow.cluster.objects import KINDS, Object
from tests.house.test_budgets import ROOT

DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "k8s/rbac/deployer.yaml").read_text()))
INSTALLED = {
    "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "RoleBinding"],
    "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
    "apps/v1": ["Deployment"],
    "v1": ["ServiceAccount", "ConfigMap"],
}
"""The kinds of Strimzi's install files (observed in both pinned releases)."""


def _rules(name: str) -> list[dict[str, Any]]:
    (role,) = [each for each in DOCUMENTS if each["kind"] == "ClusterRole" and each["metadata"]["name"] == name]
    return list(role["rules"])


def _allowed(permission: Permission) -> bool:
    names = ["sumflow-deployer", *(["sumflow-deployer-namespaced"] if permission.namespace else [])]
    resource = f"{permission.resource}/{permission.subresource}" if permission.subresource else permission.resource
    return any(
        permission.group in rule["apiGroups"] and resource in rule["resources"] and permission.verb in rule["verbs"]
        for name in names
        for rule in _rules(name)
        if "resourceNames" not in rule
    )


def _installed() -> Iterator[Object]:
    for api_version, kinds in INSTALLED.items():
        for kind in kinds:
            yield {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "sumflow-kafka"}}


@pytest.mark.parametrize("profile", ["spec", "kraft", "dev"])
def test_the_roles_are_enough_to_deploy(profile: str) -> None:
    """Everything that preflight asks for is granted."""
    needed = demand.permissions([*topology.render(profile), *_installed()])
    assert [str(each) for each in needed if not _allowed(each)] == []


@pytest.mark.parametrize("profile", ["spec", "kraft", "dev"])
def test_the_roles_are_enough_to_break_it(profile: str) -> None:
    """Everything that `chaos` asks for is granted."""
    needed = on_kubernetes.permissions(topology.load(profile))
    assert [str(each) for each in needed if not _allowed(each)] == []


def test_the_roles_are_enough_to_destroy() -> None:
    """Every kind that is looked through for what was created can be listed and deleted."""
    looked_through = {(group, KINDS[group, kind]) for group, kind in KINDS if group in inventory.GROUPS}
    kinds = [(group, how) for group, how in looked_through if how.plural not in {"pods", "events", "nodes"}]
    places = [(group, how.plural, "sumflow" if how.namespaced else "") for group, how in kinds]
    left_out = {"persistentvolumes", "replicasets"}
    needed = [Permission(v, g, r, n) for g, r, n in places for v in ("list", "delete") if r not in left_out]
    assert [str(each) for each in needed if not _allowed(each)] == []


def test_roles_can_only_be_handed_on_by_name() -> None:
    """`bind` and `escalate` are limited to Strimzi's roles: without names they would make an administrator."""
    for rule in _rules("sumflow-deployer"):
        if {"bind", "escalate", "*"} & set(rule["verbs"]):
            assert all(name.startswith("strimzi-") for name in rule["resourceNames"])


def test_no_role_says_everything() -> None:
    """No verb, resource or group is a star."""
    for name in ("sumflow-deployer", "sumflow-deployer-namespaced"):
        for rule in _rules(name):
            assert "*" not in {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}


def test_secrets_of_other_namespaces_stay_closed() -> None:
    """Only inside the three namespaces may Secrets be read."""
    assert not _allowed(Permission("get", "", "secrets", ""))
    bound = {each["metadata"]["namespace"] for each in DOCUMENTS if each["kind"] == "RoleBinding"}
    assert bound == {"sumflow", "sumflow-kafka", "sumflow-monitoring"}


def test_the_roles_are_enough_to_back_up_and_restore() -> None:
    """A volume and a pod are made, commands run in pods, and the database is scaled."""
    needed = [
        *(Permission(verb, "", "pods", "sumflow") for verb in ("get", "create", "patch", "delete")),
        *(Permission(verb, "", "pods", "sumflow", "exec") for verb in ("get", "create")),
        *(Permission(verb, "", "persistentvolumeclaims", "sumflow") for verb in ("create", "patch")),
        *(Permission(verb, "apps", "statefulsets", "sumflow") for verb in ("get", "patch")),
    ]
    assert [str(each) for each in needed if not _allowed(each)] == []
