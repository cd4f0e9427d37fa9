"""Contracts of the tree: imports, the environment, printing, generated code, what the texts may say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.house.test_budgets import ROOT, SOURCES

BIN = Path(sys.executable).parent


def test_imports_keep_to_the_contracts() -> None:
    """import-linter finds every contract of pyproject.toml kept."""
    done = subprocess.run([BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _files_with(pattern: str) -> set[str]:
    return {str(p.relative_to(ROOT / "src/sumflow")) for p in SOURCES if re.search(pattern, p.read_text())}


def test_only_settings_reads_the_environment() -> None:
    """No module but settings touches os.environ."""
    assert _files_with(r"\bos\.(environ|getenv)\b|from os import .*environ") == {"settings.py"}


def test_only_the_command_line_prints() -> None:
    """No module outside cli prints or writes to standard output."""
    assert {f for f in _files_with(r"\bprint\(|sys\.stdout|click\.echo") if not f.startswith("cli/")} == set()


def test_generated_code_is_that_of_the_proto(tmp_path: Path) -> None:
    """Generating from sum.proto gives the committed modules, byte for byte."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Isrc"]
    outputs = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    subprocess.run([*command, *outputs, "src/sumflow/sums/sum.proto"], cwd=ROOT, check=True)
    for made in (tmp_path / "sumflow/sums").iterdir():
        assert made.read_bytes() == (ROOT / "src/sumflow/sums" / made.name).read_bytes(), made.name


def test_no_path_of_one_machine() -> None:
    """No tracked text names a directory that exists on one developer's machine only."""
    pattern = "/" + "work/|/" + "home/[a-z]|/" + "root/"
    found = subprocess.run(
        ["git", "grep", "-nIE", pattern, "--", ":!requirements"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
