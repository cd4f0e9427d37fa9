"""The test cluster does what the tests of `deploy` lean on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SMOKE = Path(__file__).parents[3] / "testing/cluster/smoke.sh"


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_the_cluster_is_a_cluster() -> None:
    """DNS, Services, volumes, exec, port-forward, RBAC, spreading, NetworkPolicies and metrics work as anywhere."""
    done = subprocess.run([SMOKE], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
