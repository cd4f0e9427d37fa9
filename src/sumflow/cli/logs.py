"""`sumflow logs`: what the components said last, and what they say now."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import click

from sumflow.cli.output import Output, common_options, data_dir_option, examples
from sumflow.errors import UsageError

_LOOK_EVERY_S: Final = 0.2
"""There is no portable way to await a file's growth; five looks a second are not noticed by anybody."""
_READ_AT_MOST_BYTES: Final = 1 << 20


@click.command(
    epilog=examples(
        "sumflow logs                       the last lines of every component",
        "sumflow logs adder                 all adders",
        "sumflow logs kafka-0 -f            follow one",
        "sumflow logs -n 1000 --json | jq -r .line",
    )
)
@click.argument("component", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option(
    "--lines", "-n", default=20, show_default=True, type=click.IntRange(0, 100_000), help="Last lines of each."
)
@data_dir_option
@common_options
def logs(component: str | None, follow: bool, lines: int, data_dir: Path, output: Output) -> int:
    """Print or follow the components' logs; with --json one document a line."""
    from sumflow.local import facade

    chosen = choose(facade.log_files(data_dir), component)
    width = max(map(len, chosen)) if len(chosen) > 1 else 0
    tails = [Tail(name, path) for name, path in chosen.items()]
    for tail in tails:
        for line in tail.last(lines):
            _write(output, tail.name, line, width)
    while follow:
        sys.stdout.flush()
        time.sleep(_LOOK_EVERY_S)
        for tail in tails:
            for line in tail.fresh():
                _write(output, tail.name, line, width)
    return 0


def choose(files: Mapping[str, Path], component: str | None) -> dict[str, Path]:
    """Return the logs of one component, of all its replicas (`adder` for adder-0, adder-1), or of all components."""
    if component is None:
        return dict(files)
    replica = re.compile(re.escape(component) + r"(-\d+)?")
    chosen = {name: path for name, path in files.items() if replica.fullmatch(name)}
    if not chosen:
        raise UsageError(f"there is no component {component!r}", remedy=f"there are {', '.join(files)}")
    return chosen


@dataclass
class Tail:
    """Reads a log as it grows; a log that was cut or replaced is read from its new beginning."""

    name: str
    path: Path
    _file: BinaryIO | None = None
    _rest: bytes = field(default=b"")

    def last(self, count: int) -> Iterator[str]:
        """Return the last lines, reading the file once, and stand at its end."""
        self._file = self.path.open("rb")
        kept: deque[bytes] = deque(self._file, maxlen=count)
        if kept and not kept[-1].endswith(b"\n"):
            self._rest = kept.pop()
        return map(_text, list(kept))

    def fresh(self) -> Iterator[str]:
        """Return the lines that were finished since the last look."""
        if self._file is None or self._was_replaced(self._file):
            if self._file:
                self._file.close()
            self._file, self._rest = self.path.open("rb"), b""
        *lines, self._rest = (self._rest + self._file.read(_READ_AT_MOST_BYTES)).split(b"\n")
        return map(_text, lines)

    def _was_replaced(self, file: BinaryIO) -> bool:
        try:
            return self.path.stat().st_size < file.tell()
        except FileNotFoundError:
            return False


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace").rstrip("\r\n")


def _write(output: Output, name: str, line: str, width: int) -> None:
    output.document({"component": name, "line": line})
    output.line(f"{output.style(name.ljust(width), 'cyan')} | {line}" if width else line)
