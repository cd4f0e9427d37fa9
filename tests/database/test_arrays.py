"""Arrays that are written here are read by PostgreSQL as the same values."""

from __future__ import annotations

import psycopg
import pytest

from sumflow.database import array_of_numbers, array_of_texts

pytestmark = pytest.mark.integration
TEXTS = ["", "NULL", "a,b", '"', "\\", '\\"', "{}", " b ", "'", "é\u2028", "%s"]


def test_texts_are_read_as_they_are(database_url: str) -> None:
    """Quotes, braces, backslashes, commas and the word NULL are letters as others; no text at all is an empty array."""
    with psycopg.connect(database_url) as connection:
        for texts in (TEXTS, []):
            row = connection.execute("SELECT %s::text[]", (array_of_texts(texts),)).fetchone()
            assert row == (texts,)


def test_numbers_are_read_as_they_are(database_url: str) -> None:
    """Of any size."""
    numbers = [0, -1, 2**63 - 1, 2**200]
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT %s::numeric[]", (array_of_numbers(numbers),)).fetchone()
    assert row == (numbers,)
