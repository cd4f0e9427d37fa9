"""Systems for the end-to-end tests, each with its own directory and ports, destroyed afterwards whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System
from tests.ports import free_port_base


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is not up yet."""
    one = System(tmp_path_factory.mktemp("system") / "data", free_port_base())
    yield one
    one.run("destroy", "--yes")
    assert one.processes() == []


@pytest.fixture
def fresh_system(tmp_path: Path) -> Iterator[System]:
    """A system of one test's own, not up yet."""
    one = System(tmp_path / "data", free_port_base())
    yield one
    one.run("destroy", "--yes")
    assert one.processes() == []
