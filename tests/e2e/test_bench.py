"""`sumflow bench` as a person runs it: on a system of its own, of which nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
QUICK = ("--rounds", "1", "--seconds", "0.2", "--sums", "8000", "--json")


def test_everything_is_measured_beside_its_yardstick(tmp_path: Path) -> None:
    """Each measurement has its rounds, medians and ratios; the temporary directory is empty afterwards."""
    command = [sys.executable, "-m", "sumflow", "bench", *QUICK]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one["name"] for one in told["measurements"]] == ["accept", "batches", "pipeline", "visible"]
    for one in told["measurements"]:
        (only,) = one["rounds"]
        assert only["ours"] > 0
        assert one["ratio"]["median"] == pytest.approx(only["ours"] / only["yardstick"])
    assert list(tmp_path.iterdir()) == []
