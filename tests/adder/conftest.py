"""Fixtures of the adder's tests."""

from __future__ import annotations

import pytest

from sumflow.settings import AdderSettings
from tests.adder.support import adder_settings


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the services do."""
    return "asyncio"


@pytest.fixture
def settings(database_url: str) -> AdderSettings:
    """Settings of an adder on an empty database."""
    return adder_settings(database_url)
