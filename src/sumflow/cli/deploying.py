"""Draws a deployment: every object's answer in kubectl's words, and of each stage that waits, for what and why."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from sumflow.cli import staging, units
from sumflow.cli.output import Output, is_terminal

if TYPE_CHECKING:
    from sumflow.cluster.apply import Applied
    from sumflow.cluster.preflight import Finding

_TELL_EVERY_S: Final = 3.0
_REMIND_EVERY_S: Final = 15.0
_SHOWN_LINES: Final = 8


class Plain:
    """Writes lines: one for each object, one for each new reason to wait, one for each finished stage.

    Args:
        output: where lines go.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self.changes: list[dict[str, Any]] = []
        self.stages: list[dict[str, Any]] = []
        self.warnings: list[dict[str, str]] = []
        self._told: dict[str, tuple[str, float]] = {}
        self._began = time.monotonic()

    def found(self, finding: Finding) -> None:
        """Write what preflight found and does not stop at."""
        self.warnings.append({"what": finding.what, "why": finding.why, "remedy": finding.remedy})
        self.output.note(f"warning: {finding.what}{f'; {finding.remedy}' if finding.remedy else ''}")

    def started(self, step: str) -> None:
        """Begin to remember what the stage waits for."""
        self._told[step] = ("", 0.0)

    def applied(self, stage: str, change: Applied) -> None:
        """Write what became of an object."""
        self.changes.append({"stage": stage, "object": change.ref.typed_name, "answer": change.answer})
        where = f" -n {change.ref.namespace}" if change.ref.namespace else ""
        self.say(f"     {change.ref.typed_name} {change.answer}{self.output.style(where, 'bright_black')}")

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Write why a stage waits: a new reason every few seconds at most, the same one now and then."""
        before, told_at_s = self._told[step]
        if elapsed_s - told_at_s >= (_REMIND_EVERY_S if reason == before else _TELL_EVERY_S):
            self._told[step] = (reason, elapsed_s)
            self.show_waiting(step, reason, elapsed_s)

    def show_waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Write one reason."""
        head, *more = reason.splitlines()
        self.say(f"     {step} ({units.duration(elapsed_s)}): {head}")
        for line in more[:_SHOWN_LINES]:
            self.say(f"         {line}")

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Write the finished stage."""
        self._told.pop(step, None)
        self.stages.append({"stage": step, "evidence": evidence, "elapsed_s": round(elapsed_s, 3)})
        self.say(staging.done_line(self.output, step, evidence, elapsed_s))

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.output.line(text)
        sys.stdout.flush()

    def document(self) -> dict[str, Any]:
        """Return all that happened, for a program."""
        return {
            "changes": self.changes,
            "stages": self.stages,
            "warnings": self.warnings,
            "elapsed_s": round(time.monotonic() - self._began, 3),
        }


class Live(Plain):
    """Shows the stages that wait below the lines that stay, redrawn as the reasons change."""

    def __init__(self, output: Output, live: Any) -> None:
        super().__init__(output)
        self._live = live
        self._waiting: dict[str, str] = {}

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Redraw the stage's reason."""
        head, *more = reason.splitlines()
        below = "".join(f"\n       {line}" for line in more[:_SHOWN_LINES])
        self._waiting[step] = f"  …  {step} {elapsed_s:.0f} s  {head}{below}"
        self._redraw()

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Write the finished stage, and draw it no longer."""
        self._waiting.pop(step, None)
        self._redraw()
        super().done(step, evidence, elapsed_s)

    def _redraw(self) -> None:
        self._live.update("\n".join(self._waiting.values()))


@contextlib.contextmanager
def reporter(output: Output) -> Iterator[Plain]:
    """Return what fits standard output, and clean the terminal up afterwards."""
    if output.as_json or not is_terminal(sys.stdout):
        yield Plain(output)
        return
    from rich.console import Console
    from rich.live import Live as Drawing
    from rich.text import Text

    console = Console(highlight=False, markup=False)

    class _Texts:
        def update(self, text: str) -> None:
            drawing.update(Text(text, no_wrap=True, overflow="ellipsis"))

    with Drawing(console=console, transient=True, refresh_per_second=8, redirect_stdout=True) as drawing:
        yield Live(output, _Texts())
