"""What `sumflow audit` says and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sumflow.audit.facts import Counted, Cut
from sumflow.audit.findings import Kind, Report
from sumflow.cli import audit
from sumflow.cli.main import run
from sumflow.errors import SumflowError
from sumflow.sums.totals import Tally
from tests.verify.fake import CLEAN, LANE, FakeBooks, FakeTarget

ALTERED = replace(CLEAN, counted={LANE: Counted(41, 41, 821)}, total=Tally(41, 821))


class InTurn(FakeBooks):
    """Books that say one thing after the other."""

    def __init__(self, *said: Cut | SumflowError, events: Report | None = None) -> None:
        super().__init__(CLEAN, events or Report())
        self.said = list(said)

    def cut(self) -> Cut:
        """Return or raise the next."""
        now = self.said.pop(0)
        if isinstance(now, SumflowError):
            raise now
        return now


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> list[FakeBooks]:
    """The books that the command finds; the test puts them in."""
    found: list[FakeBooks] = []

    class Target(FakeTarget):
        @contextmanager
        def books(self) -> Iterator[FakeBooks]:
            yield found[0]

    @contextmanager
    def target_of(manifests: Path | None, data_dir: Path) -> Iterator[FakeTarget]:
        yield Target()

    monkeypatch.setattr(audit, "target_of", target_of)
    return found


def test_a_clean_audit_ends_with_0_and_says_what_it_proves(
    say: list[FakeBooks], capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line has the total; the document has every figure."""
    say.append(FakeBooks(CLEAN))
    assert run(["audit"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "exact: 41 counted, 0 on their way, total 820"
    assert run(["audit", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["clean"], document["accepted"], document["lag"], document["findings"]) == (True, 41, 0, [])


def test_a_finding_ends_with_1_and_is_named(say: list[FakeBooks], capsys: pytest.CaptureFixture[str]) -> None:
    """Kind, subject and both sides' numbers, for people and for programs, and where to read on."""
    say.append(FakeBooks(ALTERED))
    assert run(["audit"]) == 1
    said = capsys.readouterr().out
    assert f"altered: {LANE}: events 1 to 41 are 820 at the adder and 821 at the totalizer (+1)" in said
    assert "NOT EXACT: 1 finding; see docs/troubleshooting.md#the-audit-finds-a-difference" in said
    assert run(["audit", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["kind"], finding["subject"]) == ("altered", str(LANE))


def test_deep_adds_what_it_finds_event_by_event(say: list[FakeBooks], capsys: pytest.CaptureFixture[str]) -> None:
    """Clean by lanes and not by events is not clean; figures and notes are told."""
    events = Report(figures={"outbox_events": 41}, notes=["the records were not read"])
    events.find(Kind.LOST, f"{LANE}:7", "gone from the outbox")
    say.append(FakeBooks(CLEAN, events))
    assert run(["audit"]) == 0
    assert run(["audit", "--deep"]) == 1
    said = capsys.readouterr().out
    assert "events in the outbox: 41" in said
    assert "the records were not read" in said
    assert f"lost: {LANE}:7: gone from the outbox" in said


def test_watching_ends_at_the_first_finding_and_outlives_what_is_away(
    say: list[FakeBooks], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each audit; a database that is away is told and waited for."""
    say.append(InTurn(CLEAN, SumflowError("away", why="refused"), CLEAN, ALTERED))
    assert run(["audit", "--watch", "--interval", "0.1"]) == 1
    said = capsys.readouterr()
    assert said.out.count("exact: 41 counted") == 2
    assert "not audited: refused" in said.err
    assert "altered" in said.out


def test_without_watching_what_is_away_is_a_failure(say: list[FakeBooks], capsys: pytest.CaptureFixture[str]) -> None:
    """No answer is no clean answer."""
    say.append(InTurn(SumflowError("the adder's database cannot be audited", why="refused")))
    assert run(["audit"]) == 1
    assert "refused" in capsys.readouterr().err
