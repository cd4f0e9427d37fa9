"""`--total NAME` and the commands that show named totals, against a pipeline in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_add import Run, doors, pipeline, pipeline_refuses_after, run
from tests.client.pipeline import Pipeline

__all__ = ["doors", "pipeline", "run"]
NAME = "Größe/ä ?#"


def test_two_numbers_are_added_to_a_named_total(run: Run, pipeline: Pipeline) -> None:
    """The total that includes them is the one of the name; the one total stays as it is."""
    assert run("add", "2", "3", "--total", NAME) == (0, f"2 + 3 = 5\ntotal {NAME}   5\n", "")
    assert run("add", "-1", "0", f"--total={NAME}")[1].endswith(f"total {NAME}   4\n")
    assert json.loads(run("add", "1", "1", "--total", "b", "--json")[1])["name"] == "b"
    assert (pipeline.total, pipeline.named) == (10, {NAME: 4, "b": 2})


def test_a_file_is_added_to_a_named_total(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    """A new name begins at 0; the summary is about it."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\n3,4\n")
    said = f"{path}: 2 accepted, 0 rejected\ntotal rent   0 -> 10   (this file: +10)\n"
    assert run("add", "--file", str(path), "--total", "rent") == (0, said, "")
    assert (pipeline.total, pipeline.named) == (10, {"rent": 10})


def test_one_file_goes_to_each_total_by_itself(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    """An import that stopped under one name is resumed under that name only."""
    path = tmp_path / "numbers.csv"
    path.write_text("1,2\n" * 9_000)
    pipeline_refuses_after(pipeline, 1)
    assert run("add", "--file", str(path), "--total", "rent", "--give-up-after", "0")[0] == 3
    pipeline.fail_before, pipeline.batches = 0, -100
    for name in ("food", ""):
        code, _, err = run("add", "--file", str(path), "--total", name)
        assert (code, "resuming" in err) == (0, False)
    code, _, err = run("add", "--file", str(path), "--total", "rent")
    assert (code, "resuming" in err) == (0, True)
    assert (pipeline.total, pipeline.named) == (10 + 27_000, {"rent": 27_000, "food": 27_000})


def test_a_named_total_is_shown(run: Run, pipeline: Pipeline) -> None:
    """By its name; one that nothing was added to is an error that says how to find those there are."""
    pipeline.named = {NAME: 2**70}
    assert run("total", NAME) == (0, f"{2**70}\n", "")
    assert json.loads(run("total", NAME, "--json")[1]) == {"name": NAME, "total": 2**70}
    code, out, err = run("total", "rnet")
    assert (code, out) == (2, "")
    assert "there is no total 'rnet'" in err
    assert "sumflow total --list" in err


def test_the_list_goes_through_all_pages(run: Run, pipeline: Pipeline) -> None:
    """Each name once, in order; under --json one document a line."""
    pipeline.named = {name: number for number, name in enumerate(["a", "b", "c d", "e", "f&g"])}
    code, out, _ = run("total", "--list")
    assert code == 0
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [[str(n), k] for k, n in pipeline.named.items()]
    documents = [json.loads(line) for line in run("total", "--list", "--json")[1].splitlines()]
    assert {each["name"]: each["total"] for each in documents} == pipeline.named


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("add", "1", "2", "--total", "a\nb"), "control characters"),
        (("add", "1", "2", "--total", "x" * 129), "at most 128 bytes"),
        (("total", ".."), "no URL"),
        (("total", "rent", "--list"), "--list stands alone"),
    ],
)
def test_what_cannot_be_asked_is_exit_code_2(run: Run, args: tuple[str, ...], words: str) -> None:
    """A name that can be none is refused before anything is sent."""
    code, _, err = run(*args)
    assert code == 2
    assert words in err
