"""Data that goes away under what works on it: found, said, and not started without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sumflow.local import losses
from sumflow.local.checks import PortOpen
from sumflow.local.process import Identity
from sumflow.local.state import ComponentState, SystemPhase, SystemState
from tests.local.test_supervisor import Running, component, run  # noqa: F401, a fixture


def test_only_a_file_that_is_missing_is_gone(tmp_path: Path) -> None:
    """A component without data has none to lose; one whose whole directory is away has lost it."""
    (tmp_path / "PG_VERSION").touch()
    assert losses.problem(None) is None
    assert losses.problem(tmp_path / "PG_VERSION") is None
    assert "is gone" in str(losses.problem(tmp_path / "no" / "PG_VERSION"))


@pytest.mark.parametrize(("phase", "lost"), [(SystemPhase.STARTING, []), (SystemPhase.UP, ["adder-postgres-0"])])
def test_a_system_that_only_starts_has_lost_nothing(phase: SystemPhase, lost: list[str], tmp_path: Path) -> None:
    """A second `up` beside the first one's initialising of databases leaves them alone."""
    server = ComponentState(
        name="adder-postgres-0",
        what="",
        stage="postgres",
        phase="waiting",
        addresses=(),
        readiness=PortOpen(1),
        log="",
        keeps=str(tmp_path / "PG_VERSION"),
    )
    record = SystemState(
        profile="dev", phase=phase, supervisor=Identity(1, 0), started_at=0, discovery={}, components=(server,)
    )
    assert losses.gone(record) == lost


def test_what_lost_its_data_is_ended_and_not_started_without(
    run: Callable[..., Running],  # noqa: F811
    tmp_path: Path,
) -> None:
    """A server whose data is removed under it is found out and ended; it is back when the data is there again."""
    keeps = tmp_path / "PG_VERSION"
    keeps.touch()
    running = run(replace(component(tmp_path, "one"), keeps=keeps))
    running.supervisor.start(["one"])
    running.await_that(lambda: running.is_ready("one"))
    before = psutil.Process(running.pids["one"])
    keeps.unlink()
    running.await_that(lambda: "its data is gone" in running.supervisor.lives["one"].last_exit)
    assert not before.is_running()
    assert "`sumflow up`" in running.supervisor.lives["one"].problem
    keeps.touch()
    running.await_that(lambda: running.is_ready("one"))
