"""Systems for the end-to-end tests, each with its own directory and ports, destroyed afterwards whatever happened."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System

_port_bases = itertools.count(31000, 200)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is not up yet."""
    one = System(tmp_path_factory.mktemp("system") / "data", next(_port_bases))
    yield one
    one.run("destroy", "--yes")
    assert one.processes() == []


@pytest.fixture
def fresh_system(tmp_path: Path) -> Iterator[System]:
    """A system of one test's own, not up yet."""
    one = System(tmp_path / "data", next(_port_bases))
    yield one
    one.run("destroy", "--yes")
    assert one.processes() == []
