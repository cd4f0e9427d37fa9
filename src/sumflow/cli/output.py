"""What commands print with: text for people, JSON for programs; colour and cursor only where a terminal takes them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import click

from sumflow.errors import UsageError
from sumflow.settings import CommandSettings, load

Command = TypeVar("Command", bound=Callable[..., Any])

_PLAIN_MARKS: Final = {"passed": "ok", "failed": "FAIL", "not applicable": "n/a", "warning": "warn"}
_DRAWN_MARKS: Final = {"passed": "✓", "failed": "✗", "not applicable": "-", "warning": "!"}
_COLOURS: Final = {"passed": "green", "failed": "red", "not applicable": "bright_black", "warning": "yellow"}


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and load(CommandSettings).term != "dumb"


def may_colour(stream: TextIO) -> bool:
    """Tell whether colours are welcome: a terminal, and NO_COLOR (no-color.org) is not set."""
    return is_terminal(stream) and not load(CommandSettings).no_color


@dataclass(frozen=True, slots=True)
class Output:
    """Where one command's answers go.

    Args:
        as_json: answers are JSON documents, one a line; nothing else is written to standard output.
    """

    as_json: bool = False

    def line(self, text: str = "") -> None:
        """Write a line of the answer for a person; nothing under --json."""
        if not self.as_json:
            click.echo(text)

    def note(self, text: str) -> None:
        """Write a line beside the answer: progress, a warning."""
        click.echo(text, err=True)

    def document(self, value: Mapping[str, Any] | Sequence[Any]) -> None:
        """Write the answer for a program; nothing without --json."""
        if self.as_json:
            click.echo(json.dumps(value, default=str))

    def style(self, text: str, colour: str, *, bold: bool = False) -> str:
        """Colour a text where colours are welcome."""
        return click.style(text, fg=colour, bold=bold) if may_colour(sys.stdout) else text

    def mark(self, outcome: str) -> str:
        """Draw an outcome: a sign on a terminal that has it, a word elsewhere."""
        drawn = is_terminal(sys.stdout) and (sys.stdout.encoding or "").lower().startswith("utf")
        mark = _DRAWN_MARKS[outcome] if drawn else _PLAIN_MARKS[outcome].ljust(4)
        return self.style(mark, _COLOURS[outcome])


def confirmed(question: str, what: str, remedy: str) -> bool:
    """Ask before something that cannot be taken back.

    Args:
        question: what the person answers; nothing said means no.
        what: what must be confirmed, for the error.
        remedy: how to confirm it where nobody can be asked.

    Raises:
        UsageError: nobody can be asked, as standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{what} must be confirmed", remedy=remedy)
    return click.confirm(question, default=False, err=True)


def common_options(command: Command) -> Command:
    """Give a command the options that all have: --json and --debug; the command takes `output`."""
    command = click.option("--json", "output", is_flag=True, callback=_as_output, help="Answer in JSON.")(command)
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")(command)


def data_dir_option(command: Command) -> Command:
    """Give a command --data-dir; it takes `data_dir`, a Path."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        callback=_as_data_dir,
        metavar="DIR",
        help="The running system's directory (also SUMFLOW_DATA_DIR).",
    )(command)


def examples(*lines: str) -> str:
    """Write examples as a help page's epilogue; each line stays as it is."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _as_output(context: click.Context, parameter: click.Parameter, value: bool) -> Output:
    return Output(as_json=bool(value))


def _as_data_dir(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path:
    return value or load(CommandSettings).data_dir
