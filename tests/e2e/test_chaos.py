"""`sumflow chaos` as a person runs it: an exact system is called exact, and nothing of the run is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import psutil
import pytest

from tests.e2e.system import System

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


def _start(tmp_path: Path, *args: str) -> subprocess.Popen[str]:
    """Start a run; its own system comes to lie below the test's directory."""
    command = [sys.executable, "-m", "sumflow", "chaos", *args]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _assert_nothing_left(tmp_path: Path) -> None:
    assert list(tmp_path.glob("sumflow-chaos-*")) == []
    assert [m.mountpoint for m in psutil.disk_partitions(all=True) if str(tmp_path) in m.mountpoint] == []
    assert System(tmp_path, 0).processes() == []


def test_a_run_is_exact_and_leaves_nothing(tmp_path: Path) -> None:
    """Faults of every kind that is possible here; afterwards each is taken back, and clients and total agree."""
    picture = tmp_path / "run.svg"
    running = _start(tmp_path, "--duration", "15", "--seed", "4", "--json", "--plot", str(picture))
    said, complaints = running.communicate(timeout=380)
    assert running.returncode == 0, said + complaints
    seen = json.loads(said)
    assert len(seen["faults"]) >= 3
    assert all(fault["ended_s"] is not None or fault["not_done"] for fault in seen["faults"])
    verdict = seen["verdict"]
    assert (verdict["exact"], verdict["lost"], verdict["doubled"]) == (True, 0, 0)
    assert verdict["counted"] == verdict["acknowledged"] + verdict["uncertain_counted"] > 500
    assert ET.parse(picture).getroot().tag.endswith("svg")  # noqa: S314 -- our own
    _assert_nothing_left(tmp_path)


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while a process stands still and its line is cut: exit code 130, and nothing is left of the run."""
    running = _start(tmp_path, "--duration", "60", "--faults", "freeze:adder-postgres,cut:totalizer-postgres")
    assert running.stdout
    assert any("for " in line and "[" in line for line in running.stdout), "no fault was begun"
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    _assert_nothing_left(tmp_path)
