"""`sumflow add` and `sumflow total`, against a pipeline in this process."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sumflow.cli.main import run as run_command
from sumflow.client.endpoints import Endpoints
from tests.client.pipeline import Pipeline, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline of this test's own."""
    return Pipeline(total=10)


@pytest.fixture
def doors(pipeline: Pipeline) -> Iterator[Endpoints]:
    """Its doors."""
    with serving(pipeline) as found:
        yield found


@pytest.fixture
def run(doors: Endpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against the pipeline; return exit code, standard output and standard error."""

    def command(name: str, *args: str) -> tuple[int, str, str]:
        named = ["--adder", str(doors.adder), "--totalizer", doors.totalizer_url, "--data-dir", str(tmp_path / "d")]
        code = run_command([name, *named, *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("2", "3"), "2 + 3 = 5\ntotal   15\n"),
        (("-5", "3"), "-5 + 3 = -2\ntotal   8\n"),
        (("-15", "-8"), "-15 + -8 = -23\ntotal   -13\n"),
        (("--", "-5", "3"), "-5 + 3 = -2\ntotal   8\n"),
        (("+7", "007"), "7 + 7 = 14\ntotal   24\n"),
    ],
)
def test_two_numbers_are_added_and_the_total_includes_them(run: Run, args: tuple[str, ...], said: str) -> None:
    """The sum and the total that includes it are printed; negative numbers are numbers, not options."""
    assert run("add", *args) == (0, said, "")


def test_json_says_the_same(run: Run) -> None:
    """Under --json standard output is one document."""
    code, out, _ = run("add", "2", "3", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["x"], document["y"], document["sum"], document["total"]) == (2, 3, 5, 15)
    assert json.loads(run("total", "--json")[1]) == {"name": "", "total": 15}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("1.5", "2"), "'1.5' is not an integer"),
        (("1", "9223372036854775808"), "does not fit 64 bits"),
        (("9223372036854775807", "1"), "does not fit 64 bits"),
        (("1",), "1 number given"),
        ((), "no numbers given"),
        (("1", "2", "3"), "3 numbers given"),
        (("--fiel", "x"), "there is no option --fiel"),
        (("1", "2", "--restart"), "--restart belongs to --file"),
        (("1", "2", "--file", "x"), "both numbers and a file"),
        (("--file", "there-is-none.csv"), "cannot read"),
        (("--file", __file__, "--import-id", "a", "--restart"), "--restart is for files that go on by themselves"),
        (("--file", "-", "--import-id", "a b"), "no import id"),
        (("--file", "-", "--restart"), "--restart is for files"),
    ],
)
def test_what_cannot_be_added_is_refused_with_exit_code_2(
    run: Run, pipeline: Pipeline, args: tuple[str, ...], words: str
) -> None:
    """Wrong numbers and contradicting options are said clearly, and nothing is counted."""
    code, out, err = run("add", *args)
    assert code == 2
    assert words in err
    assert out == ""
    assert pipeline.total == 10


def test_a_file_is_added_with_a_summary(run: Run, tmp_path: Path) -> None:
    """The last lines say accepted, rejected, and the total before and after."""
    path = tmp_path / "numbers.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    code, out, _ = run("add", "--file", str(path))
    assert code == 0
    assert out == f"{path}: 2 accepted, 0 rejected\ntotal   10 -> 20   (this file: +10)\n"


def test_rejected_lines_are_listed_and_make_the_exit_code_1(run: Run, tmp_path: Path) -> None:
    """The first rejected lines are shown with number, text and reason; all of them are in the file of --rejects."""
    path, rejects = tmp_path / "numbers.csv", tmp_path / "rejects.tsv"
    path.write_text("1,2\n" + "three,4\n" * 25)
    code, out, _ = run("add", "--file", str(path), "--rejects", str(rejects))
    assert code == 1
    assert "1 accepted, 25 rejected" in out
    assert "  line 2: 'three,4': 'three' is not an integer\n" in out
    assert "and 5 more lines: --rejects FILE keeps them all" in out
    assert rejects.read_text().count("\n") == 25


def test_the_rejects_file_cannot_be_the_file_that_is_read(run: Run, tmp_path: Path) -> None:
    """A slip does not cost the numbers."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\n")
    code, _, err = run("add", "--file", str(path), "--rejects", str(path))
    assert (code, path.read_text()) == (2, "1,2\n")
    assert "the file that is read" in err


def test_adding_a_file_again_adds_it_again(run: Run, tmp_path: Path, pipeline: Pipeline) -> None:
    """A complete import is over; the same command is a new one."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\n")
    for _ in range(2):
        assert run("add", "--file", str(path))[0] == 0
    assert pipeline.total == 16
    assert list((tmp_path / "d-imports").glob("*.json")) == []


def test_an_import_that_gave_up_says_how_to_go_on_and_goes_on(run: Run, tmp_path: Path, pipeline: Pipeline) -> None:
    """The remedy is the same command; it resumes at the right line, under the same import."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\n" * 9_000)
    pipeline.lose_answer_of = 2
    pipeline_refuses_after(pipeline, 2)
    code, _, err = run("add", "--file", str(path), "--give-up-after", "0")
    assert code == 3
    assert "run the same command again" in err
    pipeline.fail_before = 0
    code, out, err = run("add", "--file", str(path))
    assert "resuming at line 4,001, import " in err
    assert (code, pipeline.total) == (0, 10 + 27_000)
    assert "9,000 accepted" in out
    assert "total   10 -> 27010" in out


def pipeline_refuses_after(pipeline: Pipeline, batches: int) -> None:
    """Let a pipeline refuse everything once it has stored a number of batches."""
    store = pipeline._store

    def stores(x: list[int], y: list[int], request_id: str, total: str) -> object:
        known = pipeline.batches
        answer = store(x, y, request_id, total)
        if known < batches == pipeline.batches:
            pipeline.fail_before = 1_000_000
        return answer

    pipeline._store = stores  # type: ignore[method-assign, assignment]


def test_standard_input_under_an_id_is_counted_once(
    run: Run, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same input under the same --import-id can be sent again."""
    for _ in range(2):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1,2\n5\n")))
        code, out, _ = run("add", "--file", "-", "--import-id", "march")
        assert code == 0
        assert "standard input: 2 accepted" in out
    assert pipeline.total == 18


def test_a_file_under_an_id_is_counted_once_whatever_the_address(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    """A system that has it answers from memory, though no journal knows it there; one that has not gets all of it."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\n5\n")
    for _ in range(2):
        assert run("add", "--file", str(path), "--import-id", "march")[0] == 0
    assert (pipeline.total, pipeline.duplicates) == (18, 1)
    pipeline.answers.clear()
    assert run("add", "--file", str(path), "--import-id", "march")[0] == 0
    assert pipeline.total == 26


def test_the_summary_in_json_has_every_figure(run: Run, tmp_path: Path) -> None:
    """A script reads counts, sums, totals and rejected lines from one document, and nothing else is written."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\noops 1\n")
    code, out, err = run("add", "--file", str(path), "--json")
    assert (code, err) == (1, "")
    assert json.loads(out) == {
        "source": str(path),
        "accepted": 1,
        "rejected": 1,
        "added": 3,
        "name": "",
        "total_before": 10,
        "total_after": 13,
        "problem": None,
        "first_rejected": [{"line": 2, "text": "oops 1", "reason": "'oops' is not an integer"}],
    }


def test_an_adder_that_is_not_there_is_exit_code_3(doors: Endpoints, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens: the message names the address and what to do."""
    code = run_command(["total", "--totalizer", "127.0.0.1:1"])
    assert code == 3
    said = capsys.readouterr().err
    assert "http://127.0.0.1:1 does not answer" in said
    assert "sumflow up" in said


def test_a_pipe_is_read_once_and_whole(run: Run, tmp_path: Path, pipeline: Pipeline) -> None:
    """A named pipe (or `<(command)`) is a stream: every line of it is counted, also those of its head."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    lines = 30_000
    writer = threading.Thread(target=lambda: pipe.write_text("1,2\n" * lines))
    writer.start()
    code, out, _ = run("add", "--file", str(pipe))
    writer.join()
    assert code == 0
    assert f"{pipe}: 30,000 accepted" in out
    assert pipeline.total == 10 + 3 * lines


def test_an_import_that_stopped_in_one_system_is_not_resumed_in_another(
    run: Run, tmp_path: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another adder gets the whole file, whatever stands in the journal of the first."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\n" * 9_000)
    pipeline_refuses_after(pipeline, 1)
    assert run("add", "--file", str(path), "--give-up-after", "0")[0] == 3
    other = Pipeline()
    with serving(other) as doors:
        named = ["--adder", str(doors.adder), "--totalizer", doors.totalizer_url, "--data-dir", str(tmp_path / "d")]
        assert run_command(["add", *named, "--file", str(path)]) == 0
    assert "resuming" not in capsys.readouterr().err
    assert other.total == 27_000
