"""Loads a package's `queries.sql`: SQL lives in SQL files, each query with a name and a sentence.

A query begins with `-- name: the_name`, followed by comment lines that say what it is for, followed by the SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from sumflow.errors import SumflowError

_HEADING = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)


class Queries:
    """The queries of one file, by name, as attributes; an unknown name is an AttributeError."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.__dict__.update(texts)  # found at every use without a detour: these are asked for many times a second

    def __getattr__(self, name: str) -> str:
        raise AttributeError(f"no query is named {name!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)


@cache
def queries(package: str) -> Queries:
    """Return the queries of `package`'s queries.sql; raise SumflowError if the file breaks the form."""
    return Queries(parse(resources.files(package).joinpath("queries.sql").read_text("utf-8")))


def parse(text: str) -> dict[str, str]:
    """Split a file into its named queries; raise SumflowError for a name used twice or a query without a sentence."""
    _, *parts = _HEADING.split(text)
    found: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        lines = body.strip().splitlines()
        sql = [line for line in lines if not line.startswith("--")]
        if name in found or len(sql) == len(lines) or not sql:
            raise SumflowError(
                f"the query {name!r} is malformed",
                why="each query has a name of its own, a sentence that says what it is for, and SQL",
            )
        found[name] = "\n".join(sql).rstrip().removesuffix(";")
    return found
