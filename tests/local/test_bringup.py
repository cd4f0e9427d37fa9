"""What a bring-up makes anew."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sumflow import steps
from sumflow.local import plan, process
from sumflow.local.bringup import Bringup, new_cluster_id
from sumflow.local.checks import PortOpen
from sumflow.local.lifecycle import Life, Phase, Rules
from sumflow.local.supervisor import Supervisor
from sumflow.topology import load


def test_a_cluster_id_is_kafkas_and_never_reads_as_an_option() -> None:
    """Every id is 16 random bytes in 22 characters, and none begins with a dash, as one in 64 once did."""
    ids = {new_cluster_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(len(base64.urlsafe_b64decode(one + "==")) == 16 for one in ids)
    assert not any(one.startswith("-") for one in ids)


def test_a_long_recovery_is_waited_for_as_long_as_declared() -> None:
    """A database that may take ten minutes to recover from a crash is not given up by the bring-up before."""
    component = plan.Component(
        "db", "", "postgres", process.Command(("x",), Path("x.log")), PortOpen(1), None, Rules(start_limit_s=600), ()
    )
    machine = cast("plan.Machine", None)
    recipe = Bringup(load("dev"), machine, (component,), cast("Supervisor", None)).recipe()
    limits = {step.name: step.within_s for step in recipe}
    assert limits["PostgreSQL"] == 600
    assert limits["services"] >= 60


@pytest.mark.parametrize(
    ("problem", "ready"),
    [("/readyz answers 503: halted: records were lost. `sumflow rebuild`", True), ("it starts", False)],
)
def test_what_only_a_person_can_mend_is_told_and_not_waited_for(problem: str, ready: bool) -> None:
    """The remedy of a halted service needs a system that is up; whatever still starts is waited for."""
    component = plan.Component(
        "totalizer-0", "", "services", process.Command(("x",), Path("x.log")), PortOpen(1), None, Rules(), ()
    )
    lives = {"totalizer-0": Life(phase=Phase.STARTING, problem=problem)}
    supervisor = cast("Supervisor", SimpleNamespace(lives=lives))
    recipe = Bringup(load("dev"), cast("plan.Machine", None), (component,), supervisor).recipe()
    seen = next(step for step in recipe if step.name == "services").ready()
    assert isinstance(seen, steps.Ready) is ready
    assert problem in (seen.evidence if isinstance(seen, steps.Ready) else seen.reason)
