"""Ends, stops and continues the processes of a running system from outside; for whoever tries what it withstands."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from sumflow.errors import NotRunningError
from sumflow.local import state, status
from sumflow.local.datadir import DataDir
from sumflow.local.state import ComponentState


def kill(data_dir: Path, component: str) -> None:
    """End a component's process by force; raise NotRunningError if it has none at the moment."""
    found, _ = _process(data_dir, component)
    found.send_signal(signal.SIGKILL)


def restart(data_dir: Path, component: str) -> None:
    """Ask a component's process to end in good order; the supervisor starts it again. Errors as `kill`."""
    found, known = _process(data_dir, component)
    found.send_signal(known.stop_signal)


def freeze(data_dir: Path, component: str) -> Callable[[], None]:
    """Let a component's process and its children stand still; return what lets them go on. Errors as `kill`."""
    found, _ = _process(data_dir, component)
    family = [found, *found.children(recursive=True)]

    def go_on() -> None:
        # All that were stopped: children outlive a parent that was ended meanwhile, and keep what they hold.
        for each in reversed(family):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()

    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.suspend()
    return go_on


def _process(data_dir: Path, component: str) -> tuple[psutil.Process, ComponentState]:
    home = DataDir(data_dir)
    record = state.read(home)
    if record is None:
        raise status.not_running(home)
    known = next(each for each in record.components if each.name == component)
    found = known.process.find() if known.process else None
    if found is None:
        raise NotRunningError(f"{component} does not run at the moment: it is {known.phase}")
    return found, known
