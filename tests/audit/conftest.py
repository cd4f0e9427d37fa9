"""Histories for the audit's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.audit import scene


@pytest.fixture(scope="package")
def original(postgres_url: str, kafka_bootstrap: str) -> Iterator[scene.Original]:
    """One true history."""
    with scene.original(postgres_url, kafka_bootstrap) as made:
        yield made


@pytest.fixture
def copy(original: scene.Original) -> Iterator[scene.Scene]:
    """A copy of it that the test may spoil."""
    with scene.copied(original) as one:
        yield one
