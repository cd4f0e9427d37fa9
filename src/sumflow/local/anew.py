"""Makes anew, empty, what a running system has lost: the recipe of a bring-up, carried out beside the supervisor.

The recipe is idempotent: what is there is left, what is missing is made. Starting is left to the supervisor, which
tries by itself; that a loss is told, and what it costs, is the point.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sumflow import steps
from sumflow.errors import UsageError
from sumflow.local import process, session, state
from sumflow.local.bringup import Bringup
from sumflow.local.datadir import DataDir
from sumflow.local.lifecycle import Life, Phase
from sumflow.local.options import UpOptions

_ENDS_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The components as another process runs them, from its record."""

    home: DataDir

    @property
    def lives(self) -> Mapping[str, Life]:
        """The state of every component, as last written down."""
        record = state.read(self.home)
        components = record.components if record else ()
        return {c.name: Life(phase=Phase(c.phase), problem=c.problem, last_exit=c.last_exit) for c in components}

    def start(self, names: Iterable[str]) -> None:
        """Leave that to the other process."""


def _end(home: DataDir, lost: Iterable[str]) -> None:
    """End what still works on files that were removed: what it took would be gone with its last open file."""
    record = state.read(home)
    for component in record.components if record else ():
        if component.name in lost and component.process and (running := component.process.find()):
            process.kill_family(running.pid)
            running.wait(_ENDS_WITHIN_S)


def make(home: DataDir, options: UpOptions, lost: list[str], reporter: steps.Reporter) -> None:
    """Make the data of components that have lost theirs anew, and wait until everything that can be ready is.

    Raises:
        SumflowError: something cannot be made, or does not become ready.
    """
    mark = home.mark()
    if mark is None:
        raise UsageError(
            f"{home.mark_file} is gone: nothing says what this directory holds",
            remedy="`sumflow down`, and `sumflow up` on another --data-dir",
        )
    told = f"{', '.join(lost)}: the data was gone and is made anew, empty; `sumflow audit` says what that cost"
    session.log_to(home)
    logging.getLogger("sumflow.supervisor").warning(told)
    _end(home, lost)
    topology = options.topology()
    machine, components = session.planned(topology, home, options, mark, reporter)
    recipe = Bringup(topology, machine, components, Elsewhere(home)).recipe()
    steps.run([steps.Step("lost data", lambda: None, lambda: steps.Ready(told), 1.0), *recipe], reporter)
