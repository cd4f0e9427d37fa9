"""Brings a database to the schema that this version needs, by yoyo-migrations, at the start of every service.

yoyo's own lock is a row in a table: it would survive a kill -9 and block every later start. It is never taken; a
session advisory lock is held instead, which PostgreSQL releases with the session, however that ends.

Every wait for a lock has an end: behind a transaction that somebody forgot, a start says so and tries again.

A database that a newer version has migrated is refused: this version does not know what belongs together there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Final
from urllib.parse import quote

import psycopg
from yoyo import get_backend, read_migrations
from yoyo.backends.base import DatabaseBackend
from yoyo.migrations import MigrationList

from sumflow.database.connections import CONNECT_TIMEOUT_S, conninfo
from sumflow.database.queries import queries
from sumflow.errors import SumflowError
from sumflow.settings import ServiceSettings

MIGRATION_LOCK: Final = 0x53_55_4D_46
"""The advisory lock's key ("SUMF"), in the single-number space, apart from the two-number keys of lanes."""
LOCK_WITHIN_MS: Final = 10_000
"""A change of the schema waits so long for a lock: those who need the table queue up behind it. One statement may take
longer, as a change of a large table does."""
_APPLICATION: Final = "sumflow-migrate"
_WAITS: Final[dict[str, str]] = {"lock_timeout": f"{LOCK_WITHIN_MS}ms"}
_sql = queries("sumflow.database")


class NewerSchemaError(SumflowError):
    """A newer version has migrated the database: this one must not write to it any more."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(
            f"the database has the schema {found}, this version knows {known} at most",
            why="a newer version writes to it: what this one would write could lack what belongs to it there",
            remedy="run the newer version; to go back to this one, restore both databases from before the update",
        )


class SchemaBusyError(SumflowError):
    """The schema is held by others for now: trying again is all that is needed, once they have ended.

    Args:
        holders: process id, application, state and age in seconds of the oldest transactions with locks.
    """

    def __init__(self, holders: Sequence[tuple[int, str, str, int]]) -> None:
        named = [f"process {pid} ({name or 'no name'}, {state}) for {age} s" for pid, name, state, age in holders]
        pids = ", ".join(str(pid) for pid, *_ in holders)
        super().__init__(
            f"the schema is locked by {'; '.join(named) if holders else 'another process that changes it'}",
            why=f"a start changes what this version needs changed, and waited {LOCK_WITHIN_MS // 1000} s for the lock",
            remedy=f"end that transaction: pg_terminate_backend(pid) of {pids}" if holders else "wait for its end",
        )


@cache
def newest_migration(package: str) -> str:
    """Return the newest migration that this version of `package` knows; names sort as they follow each other."""
    files = resources.files(package).joinpath("migrations").iterdir()
    return max(file.name.removesuffix(".sql") for file in files if file.name.endswith(".sql"))


def refuse_newer(found: str | None, package: str) -> None:
    """Raise NewerSchemaError if `found`, the newest migration of a database, is one that this version lacks."""
    if found is not None and found > newest_migration(package):
        raise NewerSchemaError(found, newest_migration(package))


def migrate(settings: ServiceSettings, package: str) -> None:
    """Apply what is missing of `package`'s migrations/*.sql, in the order of their names.

    Processes that start at the same time wait for each other; a crash in the middle leaves whole migrations only.

    Raises:
        psycopg.Error: the database cannot be reached, or a migration fails.
        NewerSchemaError: a newer version has been here; nothing is changed.
        SchemaBusyError: somebody else holds what must be changed; nothing is changed.
    """
    with (
        resources.as_file(resources.files(package).joinpath("migrations")) as directory,
        psycopg.connect(conninfo(settings, _APPLICATION, **_WAITS), autocommit=True) as guard,
    ):
        try:
            guard.execute(_sql.wait_for_migrations.encode(), {"key": MIGRATION_LOCK})
            _apply(_uri(settings), read_migrations(str(directory)), package)
        except psycopg.errors.LockNotAvailable as error:
            holders = guard.execute(_sql.open_transactions.encode(), {"migrations": _APPLICATION}).fetchall()
            raise SchemaBusyError(holders) from error


def _apply(uri: str, migrations: MigrationList, package: str) -> None:
    backend = get_backend(uri)
    try:
        missing = backend.to_apply(migrations)  # which also makes yoyo's tables, where they are not yet
        refuse_newer(max(_applied(backend), default=None), package)
        backend.apply_migrations(missing)
    finally:
        backend.connection.close()


def _applied(backend: DatabaseBackend) -> Iterator[str]:
    """Return the names of the migrations that the database has, ours and others."""
    cursor = backend.execute(f"SELECT migration_id FROM {backend.migration_table}")  # noqa: S608, yoyo's own name
    return (name for (name,) in cursor.fetchall())


def _uri(settings: ServiceSettings) -> str:
    user, password, database = (
        quote(part, safe="") for part in (settings.postgres_user, settings.postgres_password, settings.postgres_db)
    )
    options = quote(" ".join(f"-c {name}={value}" for name, value in _WAITS.items()))
    return (
        f"postgresql+psycopg://{user}:{password}@{settings.postgres_address}/{database}"
        f"?connect_timeout={CONNECT_TIMEOUT_S}&application_name={_APPLICATION}"
        f"&options={options}"
    )
