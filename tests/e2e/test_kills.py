"""kill -9 of every component in the middle of a load; the total is exact afterwards."""

from __future__ import annotations

import pytest

from sumflow.chaos.load import Load
from tests.e2e.system import System, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

VICTIMS = ("adder-0", "relay-0", "totalizer-0", "adder-postgres-0", "totalizer-postgres-0", "kafka-0")


def _killed_and_back(system: System, load: Load, victim: str) -> None:
    before = load.acknowledged
    eventually(lambda: load.acknowledged > before + 50, "the load goes on")
    restarts = system.components()[victim]["restarts"]
    system.kill(victim)
    eventually(lambda: system.components()[victim]["restarts"] > restarts, f"the restart of {victim}")
    eventually(system.healthy, f"everything healthy after the death of {victim}")


def test_totals_are_exact_after_every_component_was_killed(fresh_system: System) -> None:
    """Each component is killed once under load; every acknowledged addition is counted, none twice."""
    fresh_system.up("dev")
    with fresh_system.load() as load:
        for victim in VICTIMS:
            _killed_and_back(fresh_system, load, victim)
            assert fresh_system.json("audit")["clean"], f"after the death of {victim}, under load"
    least, most = load.acknowledged, load.acknowledged + load.uncertain
    eventually(lambda: least <= fresh_system.total() <= most, f"a total from {least} to {most}")
    assert load.wrong == []
    settled = fresh_system.total()
    audited = fresh_system.json("audit", "--deep")
    assert audited["clean"], audited["findings"]
    assert audited["events"]["topic_records"] >= audited["counted"] == audited["accepted"]
    assert fresh_system.json("verify")["passed"]
    assert fresh_system.total() == settled
