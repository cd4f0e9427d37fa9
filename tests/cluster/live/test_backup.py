"""Databases on the cluster, backed up while they work and brought back to a moment; the total is exact afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from testing.strimzi_standin import install
from tests.cluster.live.load import waited
from tests.cluster.live.system import System

SETTLE_S = 180.0
ON = ("--on", "kubernetes")


@pytest.fixture(scope="module")
def deployed(empty: System, tmp_path_factory: pytest.TempPathFactory) -> System:
    """Return the cluster with the profile `dev` on it."""
    system = System(install.write("1.2.0", tmp_path_factory.mktemp("dev")))
    done = system.deploy()
    assert done.code == 0, done.out + done.err
    return system


@pytest.fixture(scope="module")
def yesterday(deployed: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A moment with a backup before it, and additions before the backup, between the two, and afterwards."""
    directory = tmp_path_factory.mktemp("sums")
    _add(deployed, directory / "before", 300)
    made = _run(deployed, "backup", *ON, "--volume", "1Gi", "--json")
    assert sorted(name for each in made for name in each["databases"]) == ["adder-postgres-0", "totalizer-postgres-0"]
    _add(deployed, directory / "between", 200)
    moment = datetime.now(UTC).isoformat()
    _add(deployed, directory / "afterwards", 100)
    return moment


def _run(system: System, *args: str) -> Any:
    done = system.sumflow(*args)
    assert done.code == 0, done.out + done.err
    return done.document


def _add(system: System, file: Path, count: int) -> None:
    # A database whose pod was replaced is away for some seconds, and its service is not ready as long.
    waited(lambda: system.sumflow("status", *ON).code == 0, "every part ready", SETTLE_S)
    file.write_text("".join(f"{number}\n" for number in range(count)))
    for name in ((), ("--total", "rent")):
        _run(system, "add", "--file", str(file), *ON, "--json", *name)


def _settled(system: System) -> tuple[str, str]:
    """Wait until all is ready and counted, audit, and return the totals."""
    waited(lambda: system.sumflow("status", *ON).code == 0, "every part ready", SETTLE_S)
    waited(lambda: _audit(system).get("lag") == 0, "the end of the lag", SETTLE_S)
    assert _audit(system)["clean"]
    return _totals(system)


def _audit(system: System) -> dict[str, Any]:
    done = system.sumflow("audit", *ON, "--json")
    document: dict[str, Any] = done.document if done.code in (0, 1) and done.out else {}
    return document


def _totals(system: System) -> tuple[str, str]:
    return system.sumflow("total", *ON).out, system.sumflow("total", "rent", *ON).out


def _timeline(system: System, database: str) -> int:
    """Return how many times the database's history has branched, and one."""
    return int(system.psql(database, "SELECT timeline_id FROM pg_control_checkpoint()"))


def test_a_deployment_leaves_backups_alone(deployed: System, yesterday: str) -> None:
    """The archive belongs to another field manager: there is no difference to the manifests, and nothing is undone."""
    assert deployed.diff().code == 0
    assert deployed.deploy().code == 0
    assert len(_run(deployed, "backup", "--list", *ON, "--json")) == 2


def test_a_totalizer_restored_to_yesterday_reads_the_rest_again(deployed: System, yesterday: str) -> None:
    """Its database goes back, the topic is read again from where it then stood, and the totals are what they were."""
    totals = _settled(deployed)
    _run(deployed, "restore", "--database", "totalizer", "--to", yesterday, "--yes", *ON, "--json")
    assert _timeline(deployed, "totalizer-postgres") == 2
    assert _settled(deployed) == totals
    assert deployed.diff().code == 0
    assert deployed.sumflow("add", "1", "1", *ON).code == 0


def test_a_moment_that_is_not_reached_changes_nothing(deployed: System, yesterday: str) -> None:
    """One before the first backup is refused while all runs; one in the future fails, and the database is as it was."""
    totals = _settled(deployed)
    early = deployed.sumflow("restore", "--database", "adder", "--to", "2020-01-01T00:00:00Z", "--yes", *ON)
    assert "no backup of adder-postgres-0" in early.err
    late = deployed.sumflow("restore", "--database", "adder", "--to", "2200-01-01T00:00:00Z", "--yes", *ON)
    assert late.code == 1
    assert "recovery ended before configured recovery target was reached" in late.err
    assert _timeline(deployed, "adder-postgres") == 1
    assert _settled(deployed) == totals


def test_an_adder_restored_to_its_end_has_lost_nothing(deployed: System, yesterday: str) -> None:
    """Its password was rotated since the backup and is the present one afterwards; every sum is there."""
    assert deployed.sumflow("secrets", "rotate").code == 0
    totals = _settled(deployed)
    _run(deployed, "restore", "--database", "adder", "--yes", *ON, "--json")
    assert _timeline(deployed, "adder-postgres") == 2
    assert _settled(deployed) == totals
    assert deployed.sumflow("add", "1", "1", *ON).code == 0


def test_backups_beyond_the_newest_are_removed_on_demand(deployed: System, yesterday: str) -> None:
    """One of each database stays, the newest."""
    before = {each["path"] for each in _run(deployed, "backup", "--list", *ON, "--json")}
    kept = _run(deployed, "backup", "--keep", "1", *ON, "--json")
    assert len(kept) == 2
    assert not before & {each["path"] for each in kept}
