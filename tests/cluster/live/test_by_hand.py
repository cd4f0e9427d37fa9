"""The specification's profile on the real cluster, twice: by the documented kubectl commands, and by `deploy`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from testing.strimzi_standin import install
from tests.cluster.live.conftest import leave_nothing
from tests.cluster.live.system import System
from tests.house.test_budgets import ROOT

DOCUMENT = (ROOT / "docs/kubernetes-by-hand.md").read_text()
OF_OURS = (
    "deployments,statefulsets,services,configmaps,secrets,serviceaccounts,persistentvolumeclaims,"
    "poddisruptionbudgets,horizontalpodautoscalers"
)
OF_KAFKA = ("kafkas/sumflow-kafka", "kafkatopics/sums", "kafkatopics/sums-dead-letter", "configmaps/strimzi-release")
OPERATOR = "deployments/strimzi-cluster-operator"
DECIDED_BY_THE_CLUSTER = ("clusterIP", "clusterIPs", "volumeName")


@pytest.fixture(scope="module")
def spec(empty: System, tmp_path_factory: pytest.TempPathFactory) -> System:
    """Return the empty cluster, for the specification's profile and its operator."""
    return System(install.write("0.44.0", tmp_path_factory.mktemp("spec")), profile="spec")


def test_by_hand_and_by_deploy_it_is_the_same(spec: System, tmp_path: Path) -> None:
    """The documented commands run as they are; `deploy` makes the same objects, and its checklist passes."""
    _by_hand(spec, tmp_path)
    by_hand = _objects(spec)
    leave_nothing(spec)
    done = spec.deploy()
    assert done.code == 0, done.out + done.err
    by_deploy = _objects(spec)
    assert sorted(by_hand) == sorted(by_deploy)
    for name, found in by_hand.items():
        assert found == by_deploy[name], name
    checked = spec.sumflow("verify", "--on", "kubernetes", "--json")
    assert [check["name"] for check in checked.document["checks"] if check["result"] == "failed"] == []


def _by_hand(system: System, tmp_path: Path) -> None:
    """Do what the document says, in its order; only Strimzi's files come from here and not from GitHub."""
    files = shutil.copytree(system.strimzi, tmp_path / "strimzi/install/cluster-operator")
    (files / "standin-rbac.yaml").rename(files / "standin-RoleBinding.yaml")
    (tmp_path / "k8s").symlink_to(ROOT / "k8s")
    blocks = re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    commands = [line for line in lines if not line.startswith("git ") and "sums" not in line]
    assert len(commands) > 15
    done = system.shell("set -euo pipefail\n" + "\n".join(commands), tmp_path)
    assert done.code == 0, done.out + done.err


def _objects(system: System) -> dict[str, Any]:
    """Return what is declared of every object: all but passwords, who manages what, and what the cluster decides."""
    found = system.get(OF_OURS, "-n", "sumflow")
    found += system.get(*OF_KAFKA, OPERATOR, "-n", "sumflow-kafka")
    found += [each for each in system.get("namespaces") if each["metadata"]["name"].startswith("sumflow")]
    return {f"{each['kind']} {each['metadata']['name']}": _declared(each) for each in found}


def _declared(found: dict[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in found.get("spec", {}).items() if key not in DECIDED_BY_THE_CLUSTER}
    data = found.get("data", {})
    secret = found["kind"] == "Secret"
    return {
        "labels": found["metadata"].get("labels"),
        "spec": spec,
        "data": {key: value for key, value in data.items() if not (secret and key == "POSTGRES_PASSWORD")},
        "type": found.get("type"),
    }
