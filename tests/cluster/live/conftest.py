"""Fixtures of the tests that need the cluster; without one they are skipped, `make test-cluster` brings it up first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.strimzi_standin import install
from tests.cluster.live.system import KUBECONFIG, System


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the cluster, and its time."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> System:
    """Return the cluster, reached as its administrator, with the install files of the release that `dev` pins."""
    if not KUBECONFIG.exists():
        pytest.skip("the test cluster is not up: `make cluster`")
    return System(install.write("1.2.0", tmp_path_factory.mktemp("strimzi")))


@pytest.fixture(scope="module")
def empty(cluster: System) -> Iterator[System]:
    """Return the cluster with nothing of SumFlow on it, and leave it so."""
    leave_nothing(cluster)
    yield cluster
    leave_nothing(cluster)


@pytest.fixture
def fresh(empty: System) -> Iterator[System]:
    """Return the cluster, and remove afterwards what a failed deployment left: that too must work."""
    yield empty
    done = empty.destroy("--delete-data")
    assert done.code == 0, done.out + done.err


def leave_nothing(cluster: System) -> None:
    """Remove what is there of SumFlow, whoever made it."""
    cluster.destroy("--delete-data")
    definitions = cluster.kubectl("get", "crd", "-l", "app=strimzi", "-o", "name").split()
    if definitions:
        # Before the namespaces: the operator that lets go of topics is in one of them.
        cluster.kubectl("delete", "kafkatopics", "--all", "-n", "sumflow-kafka", "--timeout=120s")
    names = ("sumflow", "sumflow-kafka", "sumflow-monitoring")
    cluster.kubectl("delete", "namespace", *names, "--ignore-not-found", "--timeout=120s")
    if definitions:
        cluster.kubectl("delete", *definitions, "--timeout=120s")
    cluster.kubectl("delete", "clusterroles,clusterrolebindings", "-l", "app=strimzi")
