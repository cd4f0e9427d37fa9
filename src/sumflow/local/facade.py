"""The one-machine runtime as the command line sees it: up, down, status, logs, destroy, addresses, secrets."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from sumflow import steps
from sumflow.errors import NotRunningError, SumflowError, UsageError
from sumflow.local import credentials, datadir, detached, losses, orphans, process, state, status
from sumflow.local.datadir import DataDir
from sumflow.local.findings import Finding
from sumflow.local.options import UpOptions
from sumflow.local.state import SystemState
from sumflow.local.status import ComponentStatus, SupervisorStatus, SystemStatus

__all__ = [
    "ComponentStatus",
    "Finding",
    "SupervisorStatus",
    "SystemStatus",
    "UpOptions",
    "addresses",
    "destroy",
    "diagnose",
    "down",
    "log_files",
    "secrets",
    "status_of",
    "temporary",
    "up",
    "up_detached",
]

_SUPERVISOR_STOPS_WITHIN_S = 12.0


def up(options: UpOptions, reporter: steps.Reporter, when_up: Callable[[], None]) -> bool:
    """Bring the system up in this process and stay until it is asked to end; then everything has been stopped.

    Args:
        options: what to bring up, and where.
        reporter: hears the steps.
        when_up: called once everything that this process brought up is ready.

    Returns:
        False if the system was already up: then nothing was done.

    Raises:
        SumflowError: it could not be brought up; what was started has been stopped again.
    """
    # Imported by the one process that needs it: `down` and `status` must not wait for a Kafka client to be loaded.
    from sumflow.local import session

    home = DataDir(options.data_dir)
    with datadir.exclusive(home) as free:
        if free:
            session.run(home, options, reporter, when_up)
            return True
    _join(home, options, reporter)
    return False


def up_detached(options: UpOptions, reporter: steps.Reporter) -> bool:
    """Bring the system up under a supervisor of its own and return when it is ready; results and errors as `up`."""
    home = DataDir(options.data_dir)
    with datadir.exclusive(home) as free:
        if free:
            home.require_usable()
    if not free:
        _join(home, options, reporter)
        return False
    detached.start(home, options, reporter)
    return True


@contextmanager
def temporary(options: UpOptions, reporter: steps.Reporter) -> Iterator[None]:
    """Bring a system up for the block, and remove it without a trace at the end; errors as `up`."""
    try:
        up_detached(options, reporter)
        yield
    finally:
        destroy(options.data_dir)


def _join(home: DataDir, options: UpOptions, reporter: steps.Reporter) -> None:
    """Accept a system that is already up as asked, after making what it has lost anew; raise SumflowError as above."""
    record = state.read(home)
    is_its = record is not None and record.supervisor.pid == home.supervisor() and record.profile == options.profile
    if record is None or not is_its or not losses.gone(record):
        require_same_and_healthy(home, options)
        return
    from sumflow.local import anew

    with datadir.one_at_a_time(home.path / "run"):
        if lost := losses.gone(record):  # else somebody was quicker
            anew.make(home, options, lost, reporter)


def require_same_and_healthy(home: DataDir, options: UpOptions) -> None:
    """Accept a system that is already up as asked; raise SumflowError if it is another one, or not well."""
    record = state.read(home)
    pid = record.supervisor.pid if record else 0
    if record and record.profile != options.profile:
        raise UsageError(
            f"the profile `{record.profile}` is running in {home.path} (pid {pid})",
            remedy=f"`sumflow down` first, or bring `{options.profile}` up in another --data-dir",
        )
    try:
        seen = status.look(home)
    except NotRunningError as error:
        raise SumflowError(
            f"another command is at work in {home.path}, and nothing runs yet, or any more",
            remedy="wait for it; `sumflow status` shows what it starts",
        ) from error
    if not seen.healthy:
        unwell = [f"{c.name}: {c.problem}" for c in seen.components if not c.healthy]
        raise SumflowError(
            f"a system is already there in {home.path} (pid {pid}), and it is {seen.phase}",
            why="; ".join(unwell[:3]),
            remedy="watch it with `sumflow status`, or stop it with `sumflow down`",
        )


def down(data_dir: Path, tell: Callable[[str], None] = lambda names: None) -> bool:
    """Stop the system, orphans included; return False if nothing ran.

    Args:
        data_dir: the system's directory.
        tell: hears what is being stopped.
    """
    home = DataDir(data_dir.absolute())
    record = _record_if_readable(home)
    pid = home.supervisor() if home.path.exists() else None
    if pid is not None:
        tell("the supervisor and its components")
        with contextlib.suppress(psutil.NoSuchProcess):
            _end(psutil.Process(pid))
    left = orphans.stop_all(home, record, tell)
    return pid is not None or left


def status_of(data_dir: Path) -> SystemStatus:
    """Return how the system is now; raise NotRunningError if nothing of it runs."""
    return status.look(DataDir(data_dir.absolute()))


def destroy(data_dir: Path, tell: Callable[[str], None] = lambda names: None) -> bool:
    """Stop the system and remove its data; return False if there was none.

    Raises:
        UsageError: the directory is not one of SumFlow's.
    """
    home = DataDir(data_dir.absolute())
    if not home.path.exists():
        return False
    home.require_usable()
    if home.mark() is None:
        return False
    down(home.path, tell)
    with datadir.exclusive(home) as free:
        if not free:
            raise SumflowError(f"somebody works in {home.path}", remedy="`sumflow down` first")
        with datadir.clear_disk_errors(home.path):
            home.remove_content()
    return True


def log_files(data_dir: Path, component: str | None = None) -> dict[str, Path]:
    """Return the logs by component, or one; raise UsageError for a component that there is not."""
    home = DataDir(data_dir.absolute())
    found = {path.stem: path for path in sorted((home.path / "logs").glob("*.log"))}
    if not found:
        raise NotRunningError(f"there are no logs in {home.path}", remedy="start the system with `sumflow up`")
    if component is None:
        return found
    if component not in found:
        raise UsageError(f"there is no component {component}", remedy=f"there are: {', '.join(found)}")
    return {component: found[component]}


def addresses(data_dir: Path) -> Mapping[str, str]:
    """Return the service-discovery table, declared `name:port` to local; raise NotRunningError if it is down."""
    home = DataDir(data_dir.absolute())
    record = state.read(home)
    if record is None or record.supervisor.find() is None:
        raise status.not_running(home)
    return record.discovery


def secrets(data_dir: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Return the kept secrets by namespace and name."""
    return credentials.read(DataDir(data_dir.absolute()).secrets)


def diagnose(options: UpOptions) -> list[Finding]:
    """Return what would stop an `up`, and what is in order."""
    from sumflow.local import doctor

    return doctor.examine(options)


def _end(supervisor: psutil.Process) -> None:
    """Ask the supervisor to stop everything; use force if it is late, and leave the rest to the search for orphans."""
    process.send(supervisor.pid, signal.SIGTERM)
    try:
        supervisor.wait(_SUPERVISOR_STOPS_WITHIN_S)
    except psutil.TimeoutExpired:
        process.send(supervisor.pid, signal.SIGKILL)
        supervisor.wait(1)


def _record_if_readable(home: DataDir) -> SystemState | None:
    """Read the state; a damaged one does not keep anybody from stopping what runs."""
    try:
        return state.read(home)
    except SumflowError:
        return None
