"""Backups of a running system, and databases brought back to a moment, each replayed or rebuilt to the exact total."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sumflow.verify import on_machine
from tests.e2e.system import System, eventually
from tests.e2e.test_recovery import retention_passes

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module", autouse=True)
def _up(system: System) -> None:
    system.up("dev")


@pytest.fixture(scope="module")
def yesterday(system: System) -> str:
    """A moment with a backup before it, and additions before and after it."""
    with system.load() as load:
        eventually(lambda: load.acknowledged > 200, "the load")
        (made,) = system.json("backup")
        eventually(lambda: load.acknowledged > 500, "the load")
    assert made["databases"] == ["adder-postgres-0", "totalizer-postgres-0"]
    moment = datetime.now(UTC).isoformat()
    system.run("add", "--file", "-", stdin="\n".join(str(number) for number in range(1000)))
    system.run("add", "1000", "1")
    return moment


def _settled(system: System) -> int:
    """Wait until everything accepted is counted, audit, and return the total."""
    eventually(system.healthy, "everything healthy")
    eventually(lambda: system.json("audit")["lag"] == 0, "the end of the lag")
    assert system.json("audit")["clean"]
    return system.total()


def test_a_totalizer_restored_to_yesterday_reads_the_rest_again(system: System, yesterday: str) -> None:
    """Its database goes back, the topic is read again from where it then stood, and the total is what it was."""
    total = _settled(system)
    system.run("down")
    said = system.run("restore", "--database", "totalizer", "--to", yesterday, "--yes")
    assert "totalizer-postgres-0.replaced" in said
    system.up("dev")
    assert _settled(system) == total


def test_a_restored_totalizer_whose_records_are_gone_is_rebuilt(system: System, yesterday: str) -> None:
    """The topic no longer has what came after that moment: it halts, names the rebuild, and that brings it all back."""
    total = _settled(system)
    with on_machine.target(system.data_dir).books() as books:
        retention_passes(system, books)
    system.run("down")
    system.run("restore", "--database", "totalizer", "--to", yesterday, "--yes")
    system.up("dev")
    assert "`sumflow rebuild`" in system.components()["totalizer-0"]["problem"]
    assert system.total() < total
    assert system.json("rebuild", "--yes")["audit"]["clean"]
    assert _settled(system) == total


def test_an_adder_restored_to_its_end_has_lost_nothing(system: System, yesterday: str) -> None:
    """Without a moment the WAL is applied to its end, also what only the server's own directory had of it."""
    total = _settled(system)
    system.run("down")
    system.run("restore", "--database", "adder", "--yes")
    system.up("dev")
    assert _settled(system) == total
    system.run("add", "1", "1")
    assert _settled(system) == total + 2


def test_an_adder_restored_to_yesterday_takes_back_only_with_consent(system: System, yesterday: str) -> None:
    """What was acknowledged after that moment is named; a rebuild refuses; with consent both sides agree again."""
    total = _settled(system)
    system.run("down")
    said = system.run("restore", "--database", "adder", "--to", yesterday, "--yes")
    assert "sumflow rebuild --take-back" in said
    system.up("dev")
    assert {finding["kind"] for finding in system.json("audit", code=1)["findings"]} == {"invented"}
    assert "--take-back" in system.fails("rebuild", "--yes")
    assert system.total() == total
    done = system.json("rebuild", "--yes", "--take-back")
    assert done["audit"]["clean"]
    assert system.total() == done["after"]["sum"] < total
    system.run("add", "1", "1")
    assert _settled(system) == done["after"]["sum"] + 2


def test_backups_beyond_the_newest_are_removed_on_demand(system: System, yesterday: str) -> None:
    """So many stay as are asked for, with the WAL that they need, and the newest can be restored."""
    total = _settled(system)
    (first, *_) = system.json("backup", "--list")
    (kept,) = system.json("backup", "--keep", "1")
    assert kept["path"] != first["path"]
    system.run("down")
    system.run("restore", "--database", "totalizer", "--yes")
    system.up("dev")
    assert _settled(system) == total


def test_what_cannot_be_restored_is_refused_before_anything_happens(system: System, yesterday: str) -> None:
    """A running system, a moment before all backups, and nobody to ask: each says what to do."""
    assert "sumflow down" in system.fails("restore", "--database", "adder", "--yes", code=2)
    assert "--yes" in system.fails("restore", "--database", "adder", code=2)
    total = _settled(system)
    system.run("down")
    said = system.fails("restore", "--database", "adder", "--to", "2020-01-01T00:00", "--yes", code=2)
    assert "no backup" in said
    late = system.fails("restore", "--database", "adder", "--to", "2999-01-01T00:00", "--yes")
    assert "its data are as they were" in late
    system.up("dev")
    assert _settled(system) == total
