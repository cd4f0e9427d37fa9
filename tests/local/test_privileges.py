"""What a server that root starts as another user can reach."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sumflow.local.privileges import is_root, unprivileged


@pytest.mark.skipif(not is_root(), reason="a normal user runs servers as itself")
def test_a_server_finds_its_programs_under_directories_of_root(tmp_path: Path) -> None:
    """A program under a directory that only root may enter can be looked at, found executable, and run."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "id"
    shutil.copy(str(shutil.which("id")), program)
    subprocess.run([*unprivileged(), "test", "-x", str(program)], check=True)
    done = subprocess.run([*unprivileged(), str(program), "-u"], check=True, capture_output=True, text=True)
    assert done.stdout.strip() != "0"
