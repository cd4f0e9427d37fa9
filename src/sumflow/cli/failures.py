"""How a failure is shown: what, why, remedy on standard error, one JSON document under --json, a code for scripts."""

from __future__ import annotations

import difflib
import json
import sys
import traceback
from collections.abc import Iterable, Sequence

import click

from sumflow.errors import SumflowError, UsageError


def asks_for(args: Sequence[str], flag: str) -> bool:
    """Tell whether a flag stands among the options: known before parsing, which may itself be what fails."""
    options = args[: args.index("--")] if "--" in args else args
    return flag in options


def unknown_command(name: str, known: Iterable[str]) -> UsageError:
    """Say that there is no such command, and which one was probably meant."""
    near = difflib.get_close_matches(name, list(known), n=1)
    remedy = f"did you mean `sumflow {near[0]}`?" if near else "`sumflow --help` lists the commands"
    return UsageError(f"there is no command {name!r}", remedy=remedy)


class Reporter:
    """Shows failures and returns their exit codes.

    Args:
        as_json: one JSON document instead of text.
        debug: add the traceback.
    """

    def __init__(self, *, as_json: bool, debug: bool) -> None:
        self._as_json = as_json
        self._debug = debug

    def failure(self, error: SumflowError) -> int:
        """Show a failure that was foreseen."""
        self._show(error.what, error.why, error.remedy, error.exit_code)
        return self._traced(error.exit_code)

    def misuse(self, error: click.ClickException) -> int:
        """Show what click found wrong with the command line."""
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "sumflow"
        self._show(_sentence(error.format_message()), "", f"`{path} --help` shows how it is used", 2)
        return 2

    def bug(self, error: Exception) -> int:
        """Show a failure that nobody foresaw."""
        remedy = "the traceback is above" if self._debug else "run the same command with --debug to see where"
        self._traced(1)
        self._show(f"unexpected {type(error).__name__}: {error}", "this is a bug in SumFlow", remedy, 1)
        return 1

    def _show(self, what: str, why: str, remedy: str, code: int) -> None:
        if self._as_json:
            click.echo(json.dumps({"error": what, "why": why, "remedy": remedy, "exit_code": code}))
            return
        click.echo(f"{_red('error:')} {what}", err=True)
        for line in [*why.splitlines(), *([f"remedy: {remedy}"] if remedy else [])]:
            click.echo(f"  {line}", err=True)

    def _traced(self, code: int) -> int:
        if self._debug:
            traceback.print_exc()
        return code


def _red(text: str) -> str:
    from sumflow.cli.output import may_colour

    return click.style(text, fg="red", bold=True) if may_colour(sys.stderr) else text


def _sentence(message: str) -> str:
    """Bring click's sentence into our form: no capital, no full stop."""
    return (message[:1].lower() + message[1:]).rstrip(".")
