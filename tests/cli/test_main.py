"""The command as a whole: help, errors, exit codes, and how fast it says them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from sumflow import errors
from sumflow.cli.catalogue import CATALOGUE, SECTIONS
from sumflow.cli.completion import SHELLS
from sumflow.cli.main import EXIT_CODES, run, sumflow

COMMANDS = [name for names in SECTIONS.values() for name in names]


def _command(name: str) -> click.Command:
    command = sumflow.get_command(click.Context(sumflow), name)
    assert command is not None
    return command


def test_every_command_of_the_catalogue_exists_and_says_what_the_catalogue_says() -> None:
    """The help page is written from the catalogue alone, so the two must agree."""
    for name in CATALOGUE:
        command = _command(name)
        assert command.name == name
        assert command.hidden == (name not in COMMANDS)
    for name in COMMANDS:
        assert CATALOGUE[name].sentence.endswith(".")


def _lines_of(name: str) -> list[list[str]]:
    """Return the command lines that a command stands for: itself, or its subcommands."""
    command = _command(name)
    return [[name, sub] for sub in command.commands] if isinstance(command, click.Group) else [[name]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` works for each command, shows examples of this very command, and names the common options."""
    for line in _lines_of(name):
        assert run([*line, "--help"]) == 0
        page = capsys.readouterr().out
        assert f"sumflow {' '.join(line)}" in page.split("Examples:")[1]
        assert ("--json" in page) == (name != "completion")


def test_the_help_page_names_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command but the services is on the page, and every exit code."""
    assert run(["--help"]) == 0
    page = capsys.readouterr().out
    assert all(f"\n  {name} " in page for name in COMMANDS)
    assert "\n  relay" not in page
    assert all(f"\n  {code} " in page for code in EXIT_CODES)


def test_help_imports_nothing_heavy() -> None:
    """The page is there at once, because nothing that talks to the world is imported for it."""
    heavy = {"grpc", "httpx", "confluent_kafka", "psycopg", "rich", "yaml", "starlette", "psutil", "jgo"}
    script = (
        "import sys; from sumflow.cli.main import run; run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {name for name in heavy if f"'{name}'" in done.stderr} == set()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SumflowError("it broke", why="a reason", remedy="do this"), 1),
        (errors.UsageError("it broke", why="a reason", remedy="do this"), 2),
        (errors.NotRunningError("it broke", why="a reason", remedy="do this"), 3),
    ],
)
def test_a_failure_is_three_sentences_and_a_code(
    error: errors.SumflowError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What, why and remedy go to standard error, nothing to standard output; under --json one document does."""
    _let_total_raise(monkeypatch, error)
    assert run(["total"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: it broke\n  a reason\n  remedy: do this\n"
    assert run(["total", "--json"]) == code
    said = capsys.readouterr()
    assert json.loads(said.out) == {"error": "it broke", "why": "a reason", "remedy": "do this", "exit_code": code}
    assert said.err == ""


def test_a_bug_is_told_as_one_and_shown_only_under_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback reaches a person who did not ask for it."""
    _let_total_raise(monkeypatch, ZeroDivisionError("division by zero"))
    assert run(["total"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "a bug in SumFlow" in said
    assert "--debug" in said
    assert run(["total", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is exit code 130 and no word."""
    _let_total_raise(monkeypatch, KeyboardInterrupt())
    assert run(["total"]) == 130
    assert capsys.readouterr().err.strip() == ""


def _let_total_raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    from sumflow.cli import pipeline

    def find(*_: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "find", find)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["statsu"], "did you mean `sumflow status`"),
        (["total", "--no-such"], "no such option"),
        (["completion", "tcsh"], "tcsh"),
        (["logs", "--lines", "many"], "'many' is not a valid integer"),
        (["up", "--port-base", "80"], "80 is not in the range"),
    ],
)
def test_misuse_is_told_with_the_way_out(args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command line is exit code 2, says what is wrong, and where to read on."""
    assert run(args) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "remedy:" in said
    assert "Usage:" not in said


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    """Output into a pipe that nobody reads leaves no traceback; the exit code is that of a broken pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sumflow", "fields"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_are_those_of_the_shells(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell gets a script that asks the command for completions."""
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_SUMFLOW_COMPLETE" in script
    assert f"{shell}_complete" in script


def test_completion_offers_the_commands_and_hides_the_services(tmp_path: Path) -> None:
    """What the shell asks is answered with the commands that people type."""
    environment = {"_SUMFLOW_COMPLETE": "bash_complete", "COMP_WORDS": "sumflow ", "COMP_CWORD": "1"}
    script = "from sumflow.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == COMMANDS
