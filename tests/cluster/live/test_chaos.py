"""`sumflow chaos` against a deployed system: all of it is broken in turn, and the system stays exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.live.system import System

CHAOS_S = 60
WITHIN_S = 840.0
"""Twice the time for settling, beside the chaos itself."""


@pytest.fixture(scope="module")
def dev(empty: System) -> System:
    """Return the cluster with one of each on it."""
    done = empty.deploy()
    assert done.code == 0, done.out + done.err
    return empty


def _chaos(system: System, *args: str) -> dict[str, Any]:
    """Run it; return its document, the last thing that it prints."""
    done = system.sumflow("chaos", "--on", "kubernetes", "--yes", "--json", *args, within_s=WITHIN_S)
    assert done.out, done.err
    document: dict[str, Any] = done.document
    assert (done.code == 0) == document["verdict"]["exact"], document["verdict"]
    return document


def test_it_is_refused_unasked(dev: System) -> None:
    """Nobody is there to be asked: nothing is broken, and the remedy names the option."""
    done = dev.sumflow("chaos", "--on", "kubernetes")
    assert done.code == 2
    assert "--yes" in done.err


def test_a_minute_of_everything_costs_no_sum(dev: System, tmp_path: Path) -> None:
    """Killed, frozen and restarted, its line cut and slowed: what was acknowledged is counted, once."""
    picture = tmp_path / "run.svg"
    pods = {str(each["metadata"]["uid"]) for each in dev.get("pods", "-n", "sumflow")}
    seen = _chaos(dev, "--duration", str(CHAOS_S), "--seed", "5", "--plot", str(picture))
    verdict = seen["verdict"]
    assert verdict["exact"], verdict["problems"]
    assert verdict["acknowledged"] > 1000
    done = [fault for fault in seen["faults"] if not fault["not_done"]]
    assert {"kill", "restart", "freeze"} <= {fault["kind"] for fault in done}
    assert {str(each["metadata"]["uid"]) for each in dev.get("pods", "-n", "sumflow")} != pods
    assert picture.read_text().startswith("<svg")
    assert dev.sumflow("status", "--on", "kubernetes").code == 0


@pytest.mark.parametrize("target", ["adder-0", "relay-0", "totalizer-0", "adder-postgres-0", "kafka-0"])
def test_a_kill_is_one(dev: System, target: str) -> None:
    """Each kind of component really ends, and its loss costs no sum."""
    before = _ends(dev)
    seen = _chaos(dev, "--duration", "6", "--seed", "1", "--faults", f"kill:{target}")
    assert seen["faults"][0]["not_done"] == ""
    assert seen["verdict"]["exact"], seen["verdict"]["problems"]
    if target != "adder-postgres-0":
        # The first process of PostgreSQL survives what all its others do not.
        assert _ends(dev) != before


def _ends(system: System) -> set[tuple[str, int]]:
    """Return what changes when a container ends: how often it did so in its pod, or the pod itself."""
    pods = [*system.get("pods", "-n", "sumflow"), *system.get("pods", "-n", "sumflow-kafka")]
    return {
        (f"{pod['metadata']['uid']}/{each['name']}", int(each["restartCount"]))
        for pod in pods
        for each in pod["status"]["containerStatuses"]
    }
