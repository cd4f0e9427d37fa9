"""Losses that a system on the cluster cannot get over by itself, and the one command that mends each, exactly."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from sumflow.sums.sum_pb2 import SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub
from testing.strimzi_standin import install
from tests.cluster.live.load import waited
from tests.cluster.live.system import System

SETTLE_S = 180.0
REMEDY = "`sumflow rebuild --on kubernetes`"
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


def _halted(system: System) -> bool:
    """Tell whether status shows the halt, its reason and what to type."""
    done = system.sumflow("status", "--on", "kubernetes")
    return "halted" in done.out and REMEDY in done.out


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


def _lose_kafka(system: System) -> None:
    """Take the cluster away as its operator does, and then what that leaves: its volumes."""
    system.kubectl("delete", "kafkas/sumflow-kafka", "-n", "sumflow-kafka")
    brokers = ("-n", "sumflow-kafka", "-l", "strimzi.io/name=sumflow-kafka-kafka")
    waited(lambda: not system.get("pods", *brokers), "the end of the brokers", SETTLE_S)
    system.kubectl("delete", "persistentvolumeclaims", "-n", "sumflow-kafka", "--all")


def _totalizers(system: System) -> list[str]:
    return [each["metadata"]["uid"] for each in system.get("pods", "-n", "sumflow", "-l", "app=totalizer")]


def test_the_totalizers_database_is_lost(deployed: System, before: tuple[int, int]) -> None:
    """Its totalizers go on in an empty one without a restart, from what the topic has; the rebuild makes it exact."""
    pods = _totalizers(deployed)
    _lose_totalizer_postgres(deployed)
    _deploy(deployed)
    _rebuilt(deployed, before)
    assert _totalizers(deployed) == pods


def test_kafka_is_lost(deployed: System, before: tuple[int, int]) -> None:
    """The totalizer halts: a deployment goes on past it, status names the reason and what to type, the audit agrees."""
    _lose_kafka(deployed)
    _deploy(deployed)
    waited(lambda: _halted(deployed), "a halt that status shows", SETTLE_S)
    assert [finding["kind"] for finding in _audit(deployed)["findings"]] == ["held up"]
    previewed = deployed.sumflow("rebuild", "--dry-run", "--on", "kubernetes", "--json").document
    assert previewed["after"]["sum"] == before[0]
    assert _halted(deployed)
    _rebuilt(deployed, before)


def test_both_are_lost(deployed: System, before: tuple[int, int]) -> None:
    """Kafka and the totalizer's database at once: the audit finds what the totals lack, and the rebuild brings it."""
    _lose_kafka(deployed)
    _lose_totalizer_postgres(deployed)
    _deploy(deployed)
    assert not _audit(deployed)["clean"]
    _rebuilt(deployed, before)


def test_retention_passed_while_no_totalizer_ran(deployed: System, before: tuple[int, int]) -> None:
    """What came meanwhile is gone from the topic before it was read: said by status and verify, and rebuilt."""
    deployed.kubectl("scale", "deployment/totalizer", "-n", "sumflow", "--replicas=0")
    waited(lambda: not _totalizers(deployed), "the end of the totalizers", SETTLE_S)
    _add_unseen(deployed, 20, 22)
    _take_all_records(deployed)
    deployed.kubectl("scale", "deployment/totalizer", "-n", "sumflow", "--replicas=1")
    waited(lambda: _halted(deployed), "a halt that status shows", SETTLE_S)
    checks = deployed.sumflow("verify", "--on", "kubernetes", "--json").document["checks"]
    (refused,) = [each for each in checks if each["check"].startswith("every accepted sum")]
    assert refused["result"] == "failed"
    assert REMEDY in refused["evidence"]
    _rebuilt(deployed, (before[0] + 42, before[1]))


def _add_unseen(system: System, x: int, y: int) -> None:
    """Add while nobody counts; wait until the topic has it."""
    adder = system.kubectl("get", "service", "adder", "-n", "sumflow", "-o", "jsonpath={.spec.clusterIP}")
    with grpc.insecure_channel(f"{adder}:50051") as channel:
        stub = SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]
        stub.SumNumbers(SumNumbersRequest(x=x, y=y), timeout=10)
    waited(lambda: _audit(system)["unpublished"] == 0, "the sum in the topic", SETTLE_S)


def _take_all_records(system: System) -> None:
    """Remove everything from the topic that is in it now, as its retention does."""
    (broker,) = system.get("pods", "-n", "sumflow-kafka", "-l", "strimzi.io/name=sumflow-kafka-kafka")
    inside = ("exec", "-i", "-n", "sumflow-kafka", broker["metadata"]["name"], "-c", "kafka", "--", "sh", "-c")
    every = [{"topic": "sums", "partition": partition, "offset": -1} for partition in range(6)]
    program = "/opt/kafka/bin/kafka-delete-records.sh --bootstrap-server localhost:9092 --offset-json-file /dev/stdin"
    system.kubectl(*inside, program, given=json.dumps({"version": 1, "partitions": every}))
