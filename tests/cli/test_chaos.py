"""What `sumflow chaos` says and how it ends, on a pipeline in memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sumflow.chaos import on_machine
from sumflow.chaos import run as running
from sumflow.cli.main import run
from tests.chaos.fakes import FakePipeline

Broken = Callable[[FakePipeline], list[str]]


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Broken:
    """Let the command break a pipeline that a test made; return the command line for it."""

    def prepare(pipeline: FakePipeline) -> list[str]:
        monkeypatch.setattr(on_machine, "own_system", lambda *args, **kwargs: contextlib.nullcontext(pipeline))
        monkeypatch.setattr(running, "run", partial(running.run, doors_of=pipeline.doors))
        return ["chaos", "--duration", "5", "--seed", "3", "--rate", "2000"]

    return prepare


def test_a_run_is_a_timeline_and_a_verdict(breaks: Broken, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each fault is said when it begins, when it is taken back and when it is got over; the end says: exact."""
    picture = tmp_path / "run.svg"
    assert run([*breaks(FakePipeline()), "--plot", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "seed 3" in said
    assert "1 cut" in said
    assert "taken back" in said
    assert "recovered: accepted after" in said
    assert said.rstrip().endswith("exact")
    assert "NOT EXACT" not in said
    assert ">cut " in picture.read_text()


def test_one_lost_event_is_a_failure(breaks: Broken, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipeline that loses a single addition: exit code 1, and the addition is named."""
    assert run(breaks(FakePipeline(lose_at=100))) == 1
    said = capsys.readouterr().out
    assert "was acknowledged and is not stored" in said
    assert said.rstrip().endswith("NOT EXACT")


def test_one_doubled_event_is_a_failure_for_programs_too(breaks: Broken, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the verdict, every fault and the seed are one document, and the exit code is the same."""
    assert run([*breaks(FakePipeline(double_at=100)), "--json"]) == 1
    seen = json.loads(capsys.readouterr().out)
    assert (seen["seed"], seen["verdict"]["exact"], seen["verdict"]["doubled"]) == (3, False, 1)
    assert {fault["kind"] for fault in seen["faults"]} == {"cut"}
    assert all(fault["accepted_after_s"] is not None for fault in seen["faults"])


def test_a_run_that_cannot_be_judged_is_shown_all_the_same(
    breaks: Broken, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With a server away for good: a verdict that says what is not known, the timeline, the picture, exit code 1."""
    picture = tmp_path / "run.svg"
    command = [*breaks(FakePipeline(unread=frozenset({"occurrences"}))), "--plot", str(picture)]
    assert run(command) == 1
    said = capsys.readouterr().out
    assert "recovered: accepted after" in said
    assert "an unknown number" in said
    assert "0, as far as could be seen" in said
    assert "not judged: what is stored of the clients' additions: occurrences cannot be done" in said
    assert said.rstrip().endswith("NOT EXACT")
    assert picture.exists()


def test_an_impossible_fault_is_refused(breaks: Broken, capsys: pytest.CaptureFixture[str]) -> None:
    """What the target does not offer is told with what it does, before anything is broken."""
    pipeline = FakePipeline()
    assert run([*breaks(pipeline), "--faults", "kill:kafka"]) == 2
    assert "kill:kafka is not possible here" in capsys.readouterr().err
    assert pipeline.begun == []
