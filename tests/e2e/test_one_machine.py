"""The main job on one machine, as a new user does it, and the life of the system around it."""

from __future__ import annotations

import json
import socket
import stat

import psutil
import pytest

from tests.e2e.system import System, eventually
from tests.house.test_budgets import ROOT

SAMPLE = ROOT / "examples" / "census-2020.csv"
SAMPLE_SUM = 331_449_281

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def _up(system: System) -> None:
    system.up("dev")


def test_the_sample_is_counted_exactly(system: System) -> None:
    """Adding the repository's sample moves the total by its known sum."""
    before = system.total()
    said = system.run("add", "--file", str(SAMPLE))
    assert "51" in said
    assert system.total() == before + SAMPLE_SUM


def test_one_sum_is_answered_and_counted(system: System) -> None:
    """`add` answers the sum, negative numbers included, and the total includes it when the command returns."""
    before = system.total()
    assert "42" in system.run("add", "20", "22")
    assert "-5" in system.run("add", "-8", "3")
    assert system.total() == before + 37


def test_standard_input_is_a_file_too(system: System) -> None:
    """`add --file -` reads additions from standard input; a malformed line is named and the others count."""
    before = system.total()
    said = system.run("add", "--file", "-", stdin="1,2\nthree,4\n5\n", code=1)
    assert "2" in said
    assert system.total() == before + 8


def test_verify_finds_everything_in_order_and_leaves_the_total(system: System) -> None:
    """Every check of the checklist passes or does not apply, and the total is what it was."""
    before = system.total()
    results = system.json("verify")
    assert {check["result"] for check in results["checks"]} == {"passed", "not applicable"}
    assert system.total() == before


def test_status_names_every_component(system: System) -> None:
    """`status` lists what the dev profile declares, each healthy, with a pid and memory."""
    components = system.components()
    assert set(components) == {
        "kafka-0",
        "adder-postgres-0",
        "totalizer-postgres-0",
        "adder-0",
        "relay-0",
        "totalizer-0",
    }
    assert system.healthy()
    assert all(c["pid"] and c["memory_bytes"] > 0 for c in components.values())


def test_up_again_changes_nothing(system: System) -> None:
    """A second `up` of a healthy system succeeds and leaves every process as it is."""
    before = {name: c["pid"] for name, c in system.components().items()}
    system.up("dev")
    assert {name: c["pid"] for name, c in system.components().items()} == before


def test_secrets_are_generated_and_private(system: System) -> None:
    """No placeholder is left in a secret, and only the owner can read it."""
    files = sorted((system.data_dir / "secrets").iterdir())
    assert len(files) == 2
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "change-me" not in file.read_text()
        assert json.loads(file.read_text())["POSTGRES_PASSWORD"]


def test_data_survives_a_restart_of_everything(system: System) -> None:
    """`down` leaves no process, `up` brings the same total and the same passwords back."""
    system.run("add", "1", "1")
    before = system.total(), [f.read_text() for f in sorted((system.data_dir / "secrets").iterdir())]
    system.run("down")
    assert system.processes() == []
    system.run("status", code=3)
    system.up("dev")
    assert (system.total(), [f.read_text() for f in sorted((system.data_dir / "secrets").iterdir())]) == before


def test_a_lost_password_is_made_anew(system: System) -> None:
    """Without its file nobody knows a database's password: `up` gives the database another one, and nothing is lost."""
    before = system.total()
    system.run("down")
    for file in (system.data_dir / "secrets").iterdir():
        file.unlink()
    system.up("dev")
    assert system.total() == before


def test_orphans_of_a_killed_supervisor_are_stopped(system: System) -> None:
    """After kill -9 of the supervisor, `down` stops every process that it left, and `up` works again."""
    before = system.total()
    supervisor = system.json("status")["supervisor"]["pid"]
    psutil.Process(supervisor).kill()
    eventually(
        lambda: not psutil.pid_exists(supervisor) or psutil.Process(supervisor).status() == "zombie", "its death"
    )
    assert len(system.processes()) > 3
    system.run("down")
    assert system.processes() == []
    system.up("dev")
    assert system.total() == before


def test_a_taken_port_is_named_with_a_remedy(fresh_system: System) -> None:
    """`up` on a port that somebody else has says which, for what, and what to do; nothing is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", fresh_system.port_base))
        taken.listen()
        port = str(fresh_system.port_base)
        said = fresh_system.fails("up", "--detach", "--port-base", port)
    assert port in said
    assert "--port-base" in said
    assert "Traceback" not in said
    assert fresh_system.processes() == []
