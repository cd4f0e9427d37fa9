"""Every hint leads somewhere."""

from __future__ import annotations

import re
from typing import cast

import pytest

from sumflow.client.endpoints import Endpoints
from sumflow.cluster.client import Cluster
from sumflow.cluster.target import ClusterTarget
from sumflow.settings import Address
from sumflow.verify import infrastructure, pipeline
from sumflow.verify.on_machine import MachineTarget
from sumflow.verify.target import Target
from tests.house.test_budgets import ROOT
from tests.verify.fake import FakeTarget


@pytest.mark.parametrize("profile", ["dev", "kraft", "spec"])
def test_every_hint_leads_to_a_heading(profile: str) -> None:
    """The page named by a hint exists, and has the heading."""
    target = FakeTarget(profile)
    text = (ROOT / "docs/troubleshooting.md").read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-") for line in text.splitlines()}
    for check in [*infrastructure.checks(target), *pipeline.checks(target)]:
        assert check.hint.page == f"docs/troubleshooting.md#{check.hint.anchor}"
        assert check.hint.anchor in headings
        assert check.reason
        assert check.hint.text


_NOWHERE = Address("127.0.0.1", 1)
_LOCAL_ONLY = ("sumflow logs", "sumflow up", "sumflow down")


def _hints(target: Target) -> list[str]:
    return [check.hint.text for check in [*infrastructure.checks(target), *pipeline.checks(target)]]


@pytest.mark.parametrize("profile", ["dev", "kraft", "spec"])
def test_a_hint_names_commands_of_the_runtime_that_is_looked_at(profile: str) -> None:
    """On a cluster no hint sends its reader to processes of this machine, nor the other way round."""
    declared = FakeTarget(profile).topology
    doors = Endpoints(_NOWHERE, "http://127.0.0.1:1")
    # Hints are written before anything is asked, so that no cluster is needed for them.
    remote = ClusterTarget(cast("Cluster", None), declared, doors, _NOWHERE)
    hints = _hints(remote)
    assert not [hint for hint in hints if any(word in hint for word in _LOCAL_ONLY)]
    assert any(f"`sumflow deploy --profile {profile}`" in hint for hint in hints)
    assert any("`sumflow status --on kubernetes`" in hint for hint in hints)
    here = MachineTarget(declared, {}, {}, {})
    assert not [hint for hint in _hints(here) if "kubectl" in hint or "kubernetes" in hint]
