"""A loss that a system on the cluster cannot get over by itself, and the one command that mends it, exactly."""

from __future__ import annotations

from typing import Any

import pytest

from testing.strimzi_standin import install
from tests.cluster.live.load import waited
from tests.cluster.live.system import System

SETTLE_S = 180.0
NUMBERS = range(1, 501)


@pytest.fixture(scope="module")
def deployed(empty: System, tmp_path_factory: pytest.TempPathFactory) -> System:
    """Return the cluster with the profile `dev` on it, and a known number of sums, with and without a name."""
    system = System(install.write("1.2.0", tmp_path_factory.mktemp("dev")))
    _deploy(system)
    file = tmp_path_factory.mktemp("sums") / "numbers"
    file.write_text("".join(f"{number}\n" for number in NUMBERS))
    for name in ((), ("--total", "rent")):
        done = system.sumflow("add", "--file", str(file), "--on", "kubernetes", *name)
        assert done.code == 0, done.out + done.err
    assert _totals(system) == (sum(NUMBERS), sum(NUMBERS))
    return system


def _deploy(system: System) -> None:
    done = system.deploy()
    assert done.code == 0, done.out + done.err


def _totals(system: System) -> tuple[int, int]:
    """Return the one total, and that of a name: 0 where there is none."""
    plain, named = (system.sumflow("total", *name, "--on", "kubernetes") for name in ((), ("rent",)))
    assert plain.code == 0, plain.err
    return int(plain.out), int(named.out) if named.code == 0 else 0


def _audit(system: System) -> dict[str, Any]:
    document: dict[str, Any] = system.sumflow("audit", "--on", "kubernetes", "--json").document
    return document


def _rebuilt(system: System, before: tuple[int, int]) -> None:
    """Rebuild: audited clean, both totals exact, the totalizer goes on without a restart, a second time is harmless."""
    for _ in range(2):
        done = system.sumflow("rebuild", "--yes", "--on", "kubernetes", "--json")
        assert done.code == 0, done.out + done.err
        assert done.document["audit"]["clean"]
    assert _totals(system) == before
    waited(lambda: system.sumflow("status", "--on", "kubernetes").code == 0, "every part ready", SETTLE_S)
    added = system.sumflow("add", "1", "1", "--on", "kubernetes", "--json")
    assert added.document["total"] == before[0] + 2, added.err
    assert _audit(system)["clean"]


@pytest.fixture
def before(deployed: System) -> tuple[int, int]:
    """The totals, while all is well."""
    waited(lambda: _audit(deployed)["lag"] == 0, "the end of the lag", SETTLE_S)
    return _totals(deployed)


def _lose(system: System, namespace: str, pods: str) -> None:
    """Lose the volumes of pods with the pods themselves; wait until they are gone for good."""
    found = system.get("pods", "-n", namespace, "-l", pods)
    volumes = [volume for pod in found for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume]
    claims = {str(volume["persistentVolumeClaim"]["claimName"]) for volume in volumes}
    assert claims
    system.kubectl("delete", "persistentvolumeclaims", "-n", namespace, *claims, "--wait=false")
    system.kubectl("delete", "pods", "-n", namespace, "-l", pods, "--grace-period=0", "--force")

    def left() -> set[str]:
        return claims & {each["metadata"]["name"] for each in system.get("persistentvolumeclaims", "-n", namespace)}

    waited(lambda: not left(), f"the end of {claims}", SETTLE_S)


def _lose_totalizer_postgres(system: System) -> None:
    _lose(system, "sumflow", "app=totalizer-postgres")


def _totalizers(system: System) -> list[str]:
    return [each["metadata"]["uid"] for each in system.get("pods", "-n", "sumflow", "-l", "app=totalizer")]


def test_the_totalizers_database_is_lost(deployed: System, before: tuple[int, int]) -> None:
    """Its totalizers go on in an empty one without a restart, from what the topic has; the rebuild makes it exact."""
    pods = _totalizers(deployed)
    _lose_totalizer_postgres(deployed)
    _deploy(deployed)
    _rebuilt(deployed, before)
    assert _totalizers(deployed) == pods
