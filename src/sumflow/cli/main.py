"""The command `sumflow`: finds the command that was asked for, runs it, and turns its outcome into an exit code.

Commands live in modules of their own and are imported when they are asked for, so that `sumflow --help` starts fast.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import click

from sumflow import __version__
from sumflow.cli import failures
from sumflow.cli.catalogue import CATALOGUE, SECTIONS
from sumflow.errors import SumflowError

EXIT_CODES: Final = {
    0: "done; for `status`, `doctor`, `verify` and `audit`: everything is as it should be",
    1: "failed, or something is not as it should be",
    2: "the request cannot be carried out as it was put: an option, a number, a file",
    3: "the system is not running",
    130: "interrupted by Ctrl-C",
    141: "whoever read the output has gone",
}
"""What the exit codes of all commands mean; printed by `sumflow --help`."""


class OutputClosedError(Exception):
    """The reader of standard output has gone; nothing is left to say and nobody to say it to."""


class Commands(click.Group):
    """The root command; knows every command's name and sentence, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help page."""
        return list(CATALOGUE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None if there is none of that name."""
        entry = CATALOGUE.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(f"sumflow.cli.{entry.module}"), entry.attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the catalogue is ours, a test walks it
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a name that nobody has is answered with the nearest one."""
        if args and args[0] not in CATALOGUE and not args[0].startswith("-"):
            raise failures.unknown_command(args[0], CATALOGUE)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from the catalogue alone."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, CATALOGUE[name].sentence) for name in names], col_spacing=3)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()], col_spacing=3)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; tell a closed pipe apart from click's own handling, which calls it a failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise OutputClosedError from error


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help=(
        "Running totals that are exactly right: real Kafka and real PostgreSQL, declared in k8s/.\n\n"
        "\b\n"
        "  sumflow up --detach                start the declared system on this machine\n"
        "  sumflow add 2 3                    add two numbers, see the total move by 5\n"
        "  sumflow add --file numbers.csv     add millions, resumable, each counted once\n"
        "  sumflow total --watch              watch the total\n"
        "  sumflow down                       stop everything; the data stays"
    ),
)
@click.version_option(__version__, prog_name="sumflow", message="%(prog)s %(version)s")
def sumflow() -> None:
    """Hold the commands; each does its work in its own module."""


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; every failure has been shown when this returns."""
    report = failures.Reporter(as_json=failures.asks_for(args, "--json"), debug=failures.asks_for(args, "--debug"))
    return _guarded(lambda: sumflow.main(args=list(args), prog_name="sumflow", standalone_mode=False), report)


def _guarded(command: Callable[[], object], report: failures.Reporter) -> int:
    try:
        outcome = command()
        sys.stdout.flush()
    except (OutputClosedError, BrokenPipeError):
        _forget_output()
        return 141
    except (click.Abort, KeyboardInterrupt):
        return 130
    except click.ClickException as error:
        return report.misuse(error)
    except SumflowError as error:
        return report.failure(error)
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is shown as one, not as a traceback
        return report.bug(error)
    return outcome if isinstance(outcome, int) else 0


def _forget_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush has nowhere to fail."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    sys.exit(run(sys.argv[1:]))
