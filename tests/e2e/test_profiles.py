"""The profiles of three brokers on one machine: the specification literally, and KRaft."""

from __future__ import annotations

import pytest

from tests.e2e.system import System, eventually
from tests.e2e.test_one_machine import SAMPLE, SAMPLE_SUM

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("profile", "coordinators"), [("spec", 3), ("kraft", 0)])
def test_three_brokers(fresh_system: System, profile: str, coordinators: int) -> None:
    """Everything declared runs and passes the checklist; a killed broker costs no sum."""
    fresh_system.up(profile)
    names = set(fresh_system.components())
    assert {n for n in names if n.startswith("zookeeper-")} == {f"zookeeper-{i}" for i in range(coordinators)}
    assert {"kafka-0", "kafka-1", "kafka-2", "adder-0", "adder-1", "relay-0", "relay-1"} < names
    assert {"totalizer-0", "totalizer-1"} < names
    assert fresh_system.json("verify")["passed"]
    fresh_system.run("add", "--file", str(SAMPLE))
    assert fresh_system.total() == SAMPLE_SUM
    with fresh_system.load() as load:
        eventually(lambda: load.acknowledged > 50, "the load goes on")
        fresh_system.kill("kafka-1")
        eventually(lambda: fresh_system.components()["kafka-1"]["restarts"] > 0, "the broker's restart")
        eventually(fresh_system.healthy, "everything healthy again")
    least = SAMPLE_SUM + load.acknowledged
    most = least + load.uncertain
    eventually(lambda: least <= fresh_system.total() <= most, f"a total from {least} to {most}")
    fresh_system.run("down")
    assert fresh_system.processes() == []
