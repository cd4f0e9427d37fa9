"""The commands of the machine's system where nothing runs; with a running one they are tested end to end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from sumflow.cli.main import run
from sumflow.client.endpoints import ADDER, TOTALIZER
from sumflow.local import datadir, facade
from sumflow.local.datadir import DataDir
from tests.ports import free_port_base


@pytest.mark.parametrize("command", [["status"], ["total"], ["logs"], ["verify"], ["audit"], ["add", "1", "2"]])
def test_a_command_that_needs_the_system_says_that_it_is_not_running(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, the directory, and how to start it; the same under --json."""
    where = ["--data-dir", str(tmp_path / "none")]
    assert run([*command, *where]) == 3
    said = capsys.readouterr().err
    assert str(tmp_path / "none") in said
    assert "remedy: start" in said
    assert run([*command, *where, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3


def test_stopping_what_does_not_run_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`down` and `destroy` bring about a state; where it is there already, they say so."""
    where = ["--data-dir", str(tmp_path / "none")]
    assert run(["down", *where]) == 0
    assert "nothing runs" in capsys.readouterr().out
    assert run(["destroy", "--yes", *where]) == 0
    assert "there is nothing" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_a_second_up_says_so_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the system is up already, `up` says that, promises no Ctrl-C, and returns."""
    names = {ADDER: "127.0.0.1:1", TOTALIZER: "127.0.0.1:2"}
    monkeypatch.setattr(facade, "addresses", lambda _: names)
    monkeypatch.setattr(facade, "require_same_and_healthy", lambda *_: None)
    with datadir.exclusive(DataDir(tmp_path)):
        assert run(["up", "--data-dir", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert run(["up", "--data-dir", str(tmp_path), "--json"]) == 0
    assert "already up" in said
    assert "Ctrl-C" not in said
    assert json.loads(capsys.readouterr().out)["already_up"] is True


def test_an_up_beside_another_that_has_just_begun_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody holds the directory and nothing runs in it yet: that is told, and not to try `up`."""
    with datadir.exclusive(DataDir(tmp_path)):
        assert run(["up", "--detach", "--data-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "another command is at work" in said
    assert "`sumflow up`" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_up_that_is_asked_to_end_is_interrupted(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever signal, as by Ctrl-C: who waits for a detached system takes it back, and ends with 130."""
    before = signal.signal(number, signal.SIG_IGN)
    monkeypatch.setattr(facade, "up_detached", lambda *_: signal.raise_signal(number))
    try:
        assert run(["up", "--detach", "--data-dir", str(tmp_path)]) == 130
    finally:
        signal.signal(number, before)


def test_destroying_asks_and_does_nothing_without_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal to ask on, only --yes destroys."""
    kept = tmp_path / "kept"
    kept.write_text("data")
    assert run(["destroy", "--data-dir", str(tmp_path)]) == 2
    assert "destroy --yes" in capsys.readouterr().err
    assert kept.exists()


def test_a_directory_of_somebody_else_is_never_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--yes on a directory that SumFlow did not make removes nothing."""
    kept = tmp_path / "kept"
    kept.write_text("data")
    assert run(["destroy", "--yes", "--data-dir", str(tmp_path)]) == 2
    assert "not a data directory of SumFlow" in capsys.readouterr().err
    assert kept.exists()


def test_an_unknown_profile_is_answered_with_the_known_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip in the profile's name is exit code 2 and names dev, kraft and spec."""
    assert run(["up", "--detach", "--profile", "sepc", "--data-dir", str(tmp_path / "d")]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("sepc", "dev", "kraft", "spec"))


def test_doctor_looks_at_what_an_up_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding has a subject and what was seen; what is not in order has a remedy; the code says the whole."""
    code = run(["doctor", "--json", "--port-base", str(free_port_base()), "--data-dir", str(tmp_path / "d")])
    document = json.loads(capsys.readouterr().out)
    assert code == (0 if document["ok"] else 1)
    assert {"Java", "disk", "memory", "manifests", "ports"} <= {found["subject"] for found in document["findings"]}
    assert all(found["ok"] or found["remedy"] for found in document["findings"])
    assert not (tmp_path / "d").exists()


def test_doctor_of_a_cluster_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a cluster to look at, `doctor --on kubernetes` says what is missing, and how to give it."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert run(["doctor", "--on", "kubernetes"]) == 2
    assert "KUBECONFIG" in capsys.readouterr().err


def test_fields_are_listed_for_programs_too(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is the one the reader uses: every field with what becomes of it."""
    assert run(["fields", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert any(row["kind"] == "Kafka" and row["honoured"] for row in table)
    assert all(row["how"] for row in table)
