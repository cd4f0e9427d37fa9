"""What is told of a kubeconfig that leads nowhere, before any server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client as api

from sumflow.cluster.client import Cluster
from sumflow.cluster.failures import UnauthorisedError
from sumflow.cluster.objects import Ref
from sumflow.errors import UsageError


def _kubeconfig(tmp_path: Path, user: dict[str, object]) -> Path:
    """Write a kubeconfig whose server is nowhere."""
    file = tmp_path / "kubeconfig"
    found = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file.write_text(yaml.safe_dump(found))
    return file


def _connect(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The library reads the variable once, when it is imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    Cluster.connect()


@pytest.mark.parametrize("program", ["no-such-login-program", "false"])
def test_a_login_program_that_fails_is_told(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would go on as nobody, and the reader would look for missing roles."""
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": program, "interactiveMode": "Never"}
    with pytest.raises(UnauthorisedError, match="login program failed") as failure:
        _connect(_kubeconfig(tmp_path, {"exec": plugin}), monkeypatch)
    assert failure.value.why
    assert "log in again" in failure.value.remedy


@pytest.mark.parametrize("text", ["{{{ not yaml", ""], ids=["garbage", "empty"])
def test_a_kubeconfig_that_is_none_is_a_mistake_of_the_request(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither garbage nor an empty file ends in a traceback."""
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(UsageError, match="no kubeconfig to reach a cluster with"):
        _connect(tmp_path / "kubeconfig", monkeypatch)


@pytest.mark.parametrize(("grace_s", "asked"), [(None, {}), (1, {"gracePeriodSeconds": 1})])
def test_a_pod_ends_in_its_own_time_unless_told(
    grace_s: int | None, asked: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is told of a grace only where somebody asks for one."""
    bodies: list[dict[str, Any]] = []

    def remembered(_: Cluster, method: str, path: str, query: object, body: dict[str, Any], *rest: object) -> bytes:
        assert (method, path) == ("DELETE", "/api/v1/namespaces/sumflow/pods/adder-0")
        bodies.append(body)
        return b"{}"

    monkeypatch.setattr(Cluster, "_once", remembered)
    Cluster(api.Configuration(), "x").delete(Ref("", "v1", "Pod", "sumflow", "adder-0"), grace_s=grace_s)
    assert bodies == [{"propagationPolicy": "Foreground"} | asked]
