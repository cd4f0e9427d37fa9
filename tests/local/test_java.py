"""Which Java runs Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest

from sumflow.errors import UsageError
from sumflow.local import java
from sumflow.settings import CommandSettings


def jdk(directory: Path, version: str) -> Path:
    """Lay out a JDK that says which release it is; return its `bin/java`."""
    executable = directory / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.touch(mode=0o755)
    (directory / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return executable


@pytest.fixture
def no_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing on it; returns its only directory."""
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path / "path"


def test_the_order_is_the_users_then_the_systems_then_the_bundled(no_path: Path, tmp_path: Path) -> None:
    """SUMFLOW_JAVA before JAVA_HOME before PATH before the bundled one."""
    asked, home = jdk(tmp_path / "asked", "17.0.1"), jdk(tmp_path / "home", "21.0.2")
    (no_path / "java").symlink_to(jdk(tmp_path / "system", "22.0.1"))
    both = CommandSettings(sumflow_java=asked, java_home=tmp_path / "home")
    assert java.find(both).executable == asked
    assert java.find(CommandSettings(java_home=tmp_path / "home")).executable == home
    assert java.find(CommandSettings()).origin == "PATH"
    (no_path / "java").unlink()
    bundled = java.find(CommandSettings())
    assert (bundled.origin, bundled.major) == ("bundled", 21)


@pytest.mark.parametrize("version", ["11.0.20", "1.8.0_372", "24", "25.0.1"])
def test_a_java_that_does_not_fit_is_passed_over(no_path: Path, tmp_path: Path, version: str) -> None:
    """Too old for Kafka 4 or too new for Kafka 3.7: the next one is taken."""
    (no_path / "java").symlink_to(jdk(tmp_path / "system", version))
    assert java.find(CommandSettings()).origin == "bundled"


@pytest.mark.parametrize("version", ["11.0.20", None])
def test_a_java_that_was_asked_for_must_fit(tmp_path: Path, version: str | None) -> None:
    """What SUMFLOW_JAVA names is used or refused, never quietly replaced."""
    executable = jdk(tmp_path, version) if version else tmp_path / "nothing"
    with pytest.raises(UsageError, match="SUMFLOW_JAVA"):
        java.find(CommandSettings(sumflow_java=executable))
