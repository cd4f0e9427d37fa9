"""Strimzi's install files: verified, put into the namespace, told the server's version where the release needs it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from sumflow import topology
from sumflow.cluster import install
from sumflow.cluster.install import DigestError
from sumflow.cluster.versions import Version
from sumflow.errors import UsageError
from sumflow.topology.model import StrimziRelease

FILES = {
    "020-RoleBinding.yaml": b"""
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: strimzi-cluster-operator}
subjects:
  - {kind: ServiceAccount, name: strimzi-cluster-operator, namespace: myproject}
""",
    "021-ClusterRoleBinding.yaml": b"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: strimzi-cluster-operator}
subjects:
  - {kind: ServiceAccount, name: strimzi-cluster-operator, namespace: myproject}
""",
    "060-Deployment.yaml": b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: strimzi-cluster-operator}
spec:
  template:
    spec:
      containers:
        - name: strimzi-cluster-operator
          image: quay.io/strimzi/operator:0.44.0
          env: [{name: STRIMZI_NAMESPACE, value: x}]
""",
}


def _release(profile: str = "spec") -> StrimziRelease:
    return topology.load(profile).strimzi


def _prepared(server: Version) -> dict[str, Any]:
    return {each["kind"]: each for each in install.prepared(install.parse(FILES), _release(), server)}


def test_the_namespace_is_set_wherever_it_belongs() -> None:
    """In the metadata of what lives in a namespace, and in every binding's subjects, the cluster-wide ones too."""
    made = _prepared(Version(1, 32))
    assert made["RoleBinding"]["metadata"]["namespace"] == "sumflow-kafka"
    assert made["Deployment"]["metadata"]["namespace"] == "sumflow-kafka"
    assert "namespace" not in made["ClusterRoleBinding"]["metadata"]
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        assert made[kind]["subjects"][0]["namespace"] == "sumflow-kafka"


@pytest.mark.parametrize(
    ("server", "told"),
    [(Version(1, 32), None), (Version(1, 33), "major=1\nminor=33"), (Version(1, 34), "major=1\nminor=34")],
)
def test_an_old_operator_is_told_the_version_of_a_new_server(server: Version, told: str | None) -> None:
    """From 1.33 on Strimzi 0.44.0 cannot parse /version and needs the variable; before, its file stays as it is."""
    env = _prepared(server)["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {each["name"]: each["value"] for each in env}.get(install.VERSION_VARIABLE) == told
    assert env[0]["name"] == "STRIMZI_NAMESPACE"


def test_a_current_operator_needs_no_telling() -> None:
    """Strimzi 1.2.0 parses what a current server answers."""
    assert not install.needs_version(_release("kraft"), Version(1, 34))


def test_a_file_that_is_another_one_is_refused() -> None:
    """The digest decides, and the message has both."""
    path = next(iter(_release().files))
    with pytest.raises(DigestError) as failure:
        install.verify(path, b"<html>captive portal</html>", _release())
    assert hashlib.sha256(b"<html>captive portal</html>").hexdigest() in failure.value.why
    assert _release().files[path] in failure.value.why


def test_another_release_is_refused() -> None:
    """A manifest given by hand must be the pinned release's."""
    with pytest.raises(UsageError, match=r"operator:0\.44\.0, but this profile pins Strimzi 1\.2\.0"):
        install.prepared(install.parse(FILES), _release("kraft"), Version(1, 34))


def test_what_holds_no_operator_is_refused() -> None:
    """A directory of something else is told apart."""
    with pytest.raises(UsageError, match="no Deployment"):
        install.prepared([], _release(), Version(1, 34))
    with pytest.raises(UsageError, match="not a Kubernetes object"):
        install.parse({"values.yaml": b"replicas: 3"})


@pytest.mark.parametrize("answer", [{"major": "1", "minor": "34"}, {"major": "1", "minor": "34+"}])
def test_versions_of_providers_are_understood(answer: dict[str, str]) -> None:
    """Some providers write `34+`."""
    assert Version.answered(answer) == Version(1, 34)
