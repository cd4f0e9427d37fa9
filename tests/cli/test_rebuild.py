"""What `sumflow rebuild` shows, asks, refuses, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from sumflow.audit.facts import Accepted, Books, Counted, Cut, Extent
from sumflow.cli import rebuild
from sumflow.cli.main import run
from sumflow.recovery import plan
from sumflow.recovery import rebuild as recovery
from sumflow.sums.totals import Tally
from tests.verify.fake import CLEAN, LANE, FakeBooks, FakeTarget

DAMAGED = replace(CLEAN, counted={LANE: Counted(40, 40, 800)}, total=Tally(40, 800), extents={0: Extent(7, 48)})


class System:
    """A system whose books are damaged until they are rebuilt."""

    def __init__(self, cut: Cut) -> None:
        self.books = FakeBooks(cut)
        self.rebuilt = 0

    def preview(self, books: Books) -> plan.Plan:
        """Plan from the books."""
        return plan.plan(books.cut(), {})

    def rebuild(self, books: Books, *, take_back: bool) -> plan.Plan:
        """Make the books right."""
        decided = self.preview(books)
        self.rebuilt += 1
        self.books.read = CLEAN
        return decided


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    """The system that the command finds."""
    one = System(DAMAGED)

    class Target(FakeTarget):
        @contextmanager
        def books(self) -> Iterator[FakeBooks]:
            yield one.books

    @contextmanager
    def target_of(manifests: Path | None, data_dir: Path) -> Iterator[FakeTarget]:
        yield Target()

    monkeypatch.setattr(rebuild, "target_of", target_of)
    monkeypatch.setattr(recovery, "preview", one.preview)
    monkeypatch.setattr(recovery, "rebuild", one.rebuild)
    return one


def test_a_dry_run_shows_and_changes_nothing(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    """The total before and after, and from where the topic is read again, for people and for programs."""
    assert run(["rebuild", "--dry-run"]) == 0
    assert "total   800 of 40 -> 820 of 41\nreading goes on from 0@7\n" in capsys.readouterr().out
    assert run(["rebuild", "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["done"], document["after"], document["read_from"]) == (False, {"count": 41, "sum": 820}, {"0": 7})
    assert system.rebuilt == 0


def test_it_rebuilds_and_audits(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    """The audit's verdict is the command's."""
    assert run(["rebuild", "--yes"]) == 0
    assert "exact: 41 counted" in capsys.readouterr().out
    assert run(["rebuild", "--yes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["done"], document["audit"]["clean"]) == (True, True)
    assert system.rebuilt == 2


def test_an_audit_that_finds_something_is_a_failure(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done is not enough: what is not exact afterwards is told by the exit code."""
    monkeypatch.setattr(recovery, "rebuild", lambda books, take_back: system.preview(books))
    system.books.read = replace(CLEAN, total=Tally(41, 821))
    assert run(["rebuild", "--yes"]) == 1


def test_nobody_is_surprised(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal to ask on, --yes is demanded, and nothing happens."""
    assert run(["rebuild"]) == 2
    assert "sumflow rebuild --yes" in capsys.readouterr().err
    assert system.rebuilt == 0


def test_what_was_counted_is_taken_back_on_demand_only(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    """--yes is no consent to count less; --take-back is."""
    system.books.read = replace(DAMAGED, accepted={LANE: Accepted(1, 30, 30, 30, 600, 0), UUID(int=8): _OTHER})
    assert run(["rebuild", "--yes"]) == 1
    assert "--take-back" in capsys.readouterr().err
    assert run(["rebuild", "--dry-run"]) == 0
    assert f"TAKEN BACK: {LANE}: 40 were read, the adder has 30" in capsys.readouterr().out
    assert system.rebuilt == 0
    assert run(["rebuild", "--yes", "--take-back"]) == 0
    assert system.rebuilt == 1


_OTHER = Accepted(2, 1, 1, 1, 1, 0)
