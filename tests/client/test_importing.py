"""Imports of files: exact after every kind of interruption."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from sumflow.adder.outbox import REQUEST_RETENTION
from sumflow.client import bulk, importing, journal
from sumflow.client.endpoints import Endpoints
from sumflow.client.importing import Forgetful, Import, Outcome
from sumflow.client.journal import FileIdentity, Journal, Progress, new_progress, open_journal
from sumflow.client.lines import LINES_PER_BLOCK
from sumflow.errors import NotRunningError, SumflowError, UsageError
from tests.client.pipeline import Pipeline, serving

LINES = 3 * LINES_PER_BLOCK + 17


class Recorder:
    """Records what an import tells; interrupts it after a number of confirmations if asked."""

    def __init__(self, interrupt_after: int = 0) -> None:
        self.reasons: list[str] = []
        self.moves = 0
        self.interrupt_after = interrupt_after

    def moved(self, progress: Progress) -> None:
        """Count a confirmation."""
        self.moves += 1
        if self.moves == self.interrupt_after:
            raise KeyboardInterrupt

    def waiting(self, reason: str) -> None:
        """Record a reason."""
        self.reasons.append(reason)


@pytest.fixture
def numbers_file(tmp_path: Path) -> Path:
    """A file of LINES additions: a header, then n,1 for each n; the sums come to EXPECTED."""
    path = tmp_path / "numbers.csv"
    path.write_text("x,y\n" + "".join(f"{n},1\n" for n in range(LINES)))
    return path


EXPECTED = sum(n + 1 for n in range(LINES))


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline of this test's own."""
    return Pipeline()


@pytest.fixture
def endpoints(pipeline: Pipeline) -> Iterator[Endpoints]:
    """Its doors."""
    with serving(pipeline) as doors:
        yield doors


def _identity(path: Path) -> FileIdentity:
    identity = FileIdentity.of(path)
    assert identity is not None
    return identity


def carry_out(path: Path, endpoints: Endpoints, recorder: Recorder, *, give_up_after_s: float = 20.0) -> Outcome:
    """Import a file as the command does, with its journal beside it."""
    with open_journal(path.parent / "imports", _identity(path)) as kept:
        progress, _ = importing.begin(kept, new_progress(), restart=False)
        with importing.open_source(path, progress) as source:
            job = Import(source, endpoints, progress, kept, give_up_after_s=give_up_after_s)
            return importing.run(job, recorder)


def test_every_line_is_counted_once(numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline) -> None:
    """Without trouble the total moves by the file's sum, and the summary says the same."""
    pipeline.total = 1_000
    outcome = carry_out(numbers_file, endpoints, Recorder())
    assert outcome.progress.accepted == LINES
    assert outcome.progress.added == str(EXPECTED)
    assert (outcome.progress.total_before, outcome.total_after) == ("1000", 1_000 + EXPECTED)
    assert pipeline.duplicates == 0


def test_a_lost_answer_is_asked_for_again_and_counted_once(
    numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline
) -> None:
    """A batch that was stored when the stream broke is sent again under its id, and answered from memory."""
    pipeline.lose_answer_of = 2
    recorder = Recorder()
    outcome = carry_out(numbers_file, endpoints, recorder)
    assert pipeline.total == outcome.total_after == EXPECTED
    assert outcome.progress.accepted == LINES
    assert pipeline.duplicates >= 1
    assert "the adder: the connection is gone" in recorder.reasons


def test_a_stream_that_ends_early_with_ok_is_begun_again(
    numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline
) -> None:
    """An adder that owes answers and ends the stream in good order is asked again; what it stored counts once."""
    pipeline.end_after = 2
    recorder = Recorder()
    outcome = carry_out(numbers_file, endpoints, recorder)
    assert pipeline.total == outcome.total_after == EXPECTED
    assert "the adder: the stream was ended before everything in it was answered" in recorder.reasons


def test_an_adder_that_is_away_is_waited_for(numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline) -> None:
    """UNAVAILABLE in the beginning delays the import and changes nothing else."""
    pipeline.fail_before = 3
    assert carry_out(numbers_file, endpoints, Recorder()).total_after == EXPECTED


@pytest.mark.parametrize("confirmations", [1, 2, 4])
def test_ctrl_c_at_any_place_and_the_same_command_again_is_exact(
    numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline, confirmations: int
) -> None:
    """An interrupted import goes on where it stood; the total is the file's sum."""
    with pytest.raises(KeyboardInterrupt):
        carry_out(numbers_file, endpoints, Recorder(interrupt_after=confirmations))
    outcome = carry_out(numbers_file, endpoints, Recorder())
    assert pipeline.total == outcome.total_after == EXPECTED
    assert outcome.progress.accepted == LINES
    assert outcome.progress.total_before == "0"


def test_a_kill_between_confirmation_and_journal_is_exact(
    numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that knows less than the adder (kill -9) leads to duplicates that are recognised."""
    saved: list[Progress] = []
    really = Journal.save

    def only_first(kept: Journal, progress: Progress) -> None:
        if not saved:
            really(kept, progress)
        saved.append(progress)

    monkeypatch.setattr(Journal, "save", only_first)
    with pytest.raises(KeyboardInterrupt):
        carry_out(numbers_file, endpoints, Recorder(interrupt_after=3))
    monkeypatch.undo()
    outcome = carry_out(numbers_file, endpoints, Recorder())
    assert pipeline.total == EXPECTED
    assert outcome.progress.accepted == LINES
    assert pipeline.duplicates >= 3


def test_nothing_is_sent_before_the_import_id_is_on_disk(
    numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that cannot be written stops the import before its first batch."""

    def refuse(kept: Journal, progress: Progress) -> None:
        raise SumflowError("the disk is full")

    monkeypatch.setattr(Journal, "save", refuse)
    with pytest.raises(SumflowError, match="full"):
        carry_out(numbers_file, endpoints, Recorder())
    assert pipeline.batches == 0


def test_a_file_that_changed_in_between_is_refused(numbers_file: Path, endpoints: Endpoints) -> None:
    """Going on in another file would count lines twice or miss some."""
    with pytest.raises(KeyboardInterrupt):
        carry_out(numbers_file, endpoints, Recorder(interrupt_after=1))
    numbers_file.write_text(numbers_file.read_text() + "1,1\n")
    with pytest.raises(UsageError, match="has changed") as caught:
        carry_out(numbers_file, endpoints, Recorder())
    assert "--restart" in caught.value.remedy


def test_two_imports_of_one_file_at_once_are_refused(numbers_file: Path) -> None:
    """The second process is told, the first goes on."""
    identity = _identity(numbers_file)
    with (
        open_journal(numbers_file.parent / "imports", identity),
        pytest.raises(SumflowError, match="another process"),
        open_journal(numbers_file.parent / "imports", identity),
    ):
        pass


def test_an_adder_that_stays_away_ends_the_import_in_time(numbers_file: Path, tmp_path: Path) -> None:
    """Nobody listens: the import gives up, says so, and can be resumed."""
    with serving(Pipeline()) as doors:
        gone = doors
    with pytest.raises(NotRunningError, match="not available"):
        carry_out(numbers_file, gone, Recorder(), give_up_after_s=0.3)
    with serving(Pipeline()) as doors:
        assert carry_out(numbers_file, doors, Recorder()).total_after == EXPECTED


def test_a_silent_adder_is_treated_as_gone(
    numbers_file: Path, endpoints: Endpoints, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adder that accepts the stream and never answers (frozen) does not hang the import for ever."""
    monkeypatch.setattr(bulk, "ANSWER_TIMEOUT_S", 0.2)
    with pipeline.lock, pytest.raises(SumflowError):
        carry_out(numbers_file, endpoints, Recorder(), give_up_after_s=0.5)


def test_rejected_lines_are_listed_by_number_wherever_they_were_refused(
    tmp_path: Path, endpoints: Endpoints, pipeline: Pipeline
) -> None:
    """Lines refused here (no number) and by the adder (overflow) are named alike, in the file's order."""
    source = io.BytesIO(b"1,1\n9223372036854775807,1\n\noops\n2,2\n")
    rejects = tmp_path / "rejects.txt"
    rejects.write_text("from an earlier run\n")
    job = Import(source, endpoints, new_progress(), Forgetful(), rejects)
    progress = importing.run(job, Recorder()).progress
    assert (progress.accepted, progress.rejected, progress.added) == (2, 2, "6")
    assert [(entry.line, entry.text) for entry in progress.first_rejected] == [
        (2, "9223372036854775807,1"),
        (4, "oops"),
    ]
    assert [line.split("\t")[0] for line in rejects.read_text().splitlines()] == ["2", "4"]
    assert pipeline.total == 6


def test_the_rejects_file_has_every_line_once_after_an_interruption(tmp_path: Path, endpoints: Endpoints) -> None:
    """What the journal does not know of is cut off the file and written again."""
    path = tmp_path / "numbers.csv"
    path.write_text("1\n" + "oops\n" * LINES)
    rejects = tmp_path / "rejects.txt"
    memory: list[Progress] = []

    class OneSave(Forgetful):
        def save(self, progress: Progress) -> None:
            memory.append(progress)

    with path.open("rb") as source, pytest.raises(KeyboardInterrupt):
        importing.run(Import(source, endpoints, new_progress(), OneSave(), rejects), Recorder(interrupt_after=2))
    with path.open("rb") as source:
        importing.run(Import(source, endpoints, memory[0], Forgetful(), rejects), Recorder())
    assert [int(line.split("\t")[0]) for line in rejects.read_text().splitlines()] == list(range(2, LINES + 2))


def test_standard_input_sent_again_under_its_id_counts_nothing_twice(endpoints: Endpoints, pipeline: Pipeline) -> None:
    """The same input under the same --import-id is answered from the adder's memory."""
    for _ in range(2):
        progress = Progress(import_id="march")
        importing.run(Import(io.BytesIO(b"1,1\n2,2\n"), endpoints, progress, Forgetful()), Recorder())
    assert pipeline.total == 6


def test_blocks_without_additions_are_confirmed_in_their_turn(endpoints: Endpoints, pipeline: Pipeline) -> None:
    """Thousands of comments between numbers send nothing and stop nothing."""
    source = io.BytesIO(b"1\n" * LINES_PER_BLOCK + b"#\n" * 2 * LINES_PER_BLOCK + b"1\n")
    outcome = importing.run(Import(source, endpoints, new_progress(), Forgetful()), Recorder())
    assert outcome.progress.next_line == 3 * LINES_PER_BLOCK + 2
    assert (pipeline.batches, pipeline.total) == (2, LINES_PER_BLOCK + 1)


def test_a_total_that_does_not_follow_is_said_and_nothing_is_lost(
    endpoints: Endpoints, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is accepted stays accepted when the totalizer is behind; the outcome names the problem."""
    monkeypatch.setattr(importing, "_STILL_AT_MOST_S", 0.2)
    monkeypatch.setattr(importing, "_UNNOTICED_S", 0.05)
    monkeypatch.setattr(importing, "_ASK_AGAIN_S", 0.05)
    pipeline.counting = False
    outcome = importing.run(Import(io.BytesIO(b"5\n"), endpoints, new_progress(), Forgetful()), Recorder())
    assert outcome.total_after is None
    assert "has not moved" in outcome.problem
    assert outcome.progress.accepted == 1


def test_the_highest_position_of_a_lane_is_waited_for() -> None:
    """A batch that had to be sent again can stand behind its successor; the total must include both."""
    progress = new_progress()
    for position in ("a:6", "a:5"):
        progress = replace(progress, positions=progress.with_position(position))
    assert progress.positions == {"a": 6}


def test_positions_of_many_lanes_are_kept_bounded() -> None:
    """Each lane's latest position is waited for, and a thousand reconnections do not fill the journal."""
    progress = Progress(import_id="x")
    for lane in range(500):
        positions = progress.with_position(f"{lane}:{lane + 1}")
        progress = Progress(import_id="x", positions=positions)
    assert len(progress.positions) == 100
    assert progress.positions["499"] == 500
    assert progress.with_position("499:501")["499"] == 501


def test_an_import_is_not_resumed_after_the_adder_may_have_forgotten(
    numbers_file: Path, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Request ids are kept for days; an older interruption is refused rather than resumed inexactly."""
    assert timedelta(seconds=journal.RESUMABLE_FOR_S) <= REQUEST_RETENTION - timedelta(days=1)
    with pytest.raises(KeyboardInterrupt):
        carry_out(numbers_file, endpoints, Recorder(interrupt_after=1))
    monkeypatch.setattr(journal, "RESUMABLE_FOR_S", -1.0)
    with pytest.raises(UsageError, match="days ago after line 4,000") as caught:
        carry_out(numbers_file, endpoints, Recorder())
    assert "--restart" in caught.value.remedy


def test_one_file_goes_to_each_system_by_itself(numbers_file: Path) -> None:
    """An import that was interrupted in one system is not resumed in another."""
    directory = numbers_file.parent / "imports"
    with open_journal(directory, _identity(numbers_file), "127.0.0.1:1") as here:
        here.save(new_progress())
        assert here.resume() is not None
    with open_journal(directory, _identity(numbers_file), "127.0.0.1:2") as there:
        assert there.resume() is None


def test_a_rejects_file_that_cannot_be_written_is_told_before_anything_is_sent(
    tmp_path: Path, endpoints: Endpoints, pipeline: Pipeline
) -> None:
    """The remedy names the option, and nothing was counted."""
    job = Import(io.BytesIO(b"1\n"), endpoints, new_progress(), Forgetful(), tmp_path / "no-such" / "rejects")
    with pytest.raises(UsageError, match="cannot write"):
        importing.run(job, Recorder())
    assert pipeline.batches == 0
