"""The test cluster does what the tests of `deploy` lean on."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

HARNESS = Path(__file__).parents[3] / "testing/cluster"
SMOKE = HARNESS / "smoke.sh"


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_the_cluster_is_a_cluster() -> None:
    """DNS, Services, volumes, exec, port-forward, RBAC, spreading, NetworkPolicies and metrics work as anywhere."""
    done = subprocess.run([SMOKE], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_harness_starts_holds_nothing_of_its_caller() -> None:
    """A caller's lock is free when the caller has ended, although the cluster stays up."""
    held, handed_on = os.pipe()
    script = f". {HARNESS}/env.sh; setsid sleep 30 </dev/null >/dev/null 2>&1 & echo $!"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, pass_fds=[handed_on], check=True)
    os.close(handed_on)
    try:
        os.set_blocking(held, False)
        assert os.read(held, 1) == b""
    finally:
        os.close(held)
        os.kill(int(done.stdout), signal.SIGKILL)
