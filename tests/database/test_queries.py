"""The form of a queries.sql is checked when it is read."""

from __future__ import annotations

import pytest

from sumflow.database.queries import Queries, parse
from sumflow.errors import SumflowError


def test_a_query_is_its_sql_without_the_sentence() -> None:
    """Name and sentence stay in the file; the statement alone goes to the server."""
    found = parse("-- The file.\n\n-- name: one\n-- Says one.\nSELECT 1;\n\n-- name: two\n-- Two.\nSELECT\n  2\n")
    assert found == {"one": "SELECT 1", "two": "SELECT\n  2"}


@pytest.mark.parametrize(
    "text",
    [
        "-- name: silent\nSELECT 1",
        "-- name: empty\n-- Does nothing.\n",
        "-- name: twice\n-- A.\nSELECT 1\n-- name: twice\n-- B.\nSELECT 2\n",
    ],
)
def test_a_query_without_a_sentence_or_a_name_of_its_own_is_refused(text: str) -> None:
    """What nobody explained, or what would shadow another query, does not load."""
    with pytest.raises(SumflowError, match="malformed"):
        parse(text)


def test_an_unknown_query_is_named() -> None:
    """A misspelt query fails with its name instead of sending nothing."""
    with pytest.raises(AttributeError, match="totl"):
        _ = Queries({"total": "SELECT 1"}).totl
