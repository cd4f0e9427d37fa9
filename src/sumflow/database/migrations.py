"""Brings a database to the schema that this version needs, by yoyo-migrations, at the start of every service.

yoyo's own lock is a row in a table: it would survive a kill -9 and block every later start. It is never taken; a
session advisory lock is held instead, which PostgreSQL releases with the session, however that ends.
"""

from __future__ import annotations

from importlib import resources
from typing import Final
from urllib.parse import quote

import psycopg
from yoyo import get_backend, read_migrations
from yoyo.migrations import MigrationList

from sumflow.database.connections import CONNECT_TIMEOUT_S, conninfo
from sumflow.settings import ServiceSettings

MIGRATION_LOCK: Final = 0x53_55_4D_46
"""The advisory lock's key ("SUMF"), in the single-number space, apart from the two-number keys of lanes."""


def migrate(settings: ServiceSettings, package: str) -> None:
    """Apply what is missing of `package`'s migrations/*.sql, in the order of their names.

    Processes that start at the same time wait for each other; a crash in the middle leaves whole migrations only.

    Raises:
        psycopg.Error: the database cannot be reached, or a migration fails.
    """
    with (
        resources.as_file(resources.files(package).joinpath("migrations")) as directory,
        psycopg.connect(conninfo(settings, "sumflow-migrate"), autocommit=True) as guard,
    ):
        guard.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        _apply(_uri(settings), read_migrations(str(directory)))


def _apply(uri: str, migrations: MigrationList) -> None:
    backend = get_backend(uri)
    try:
        backend.apply_migrations(backend.to_apply(migrations))
    finally:
        backend.connection.close()


def _uri(settings: ServiceSettings) -> str:
    user, password, database = (
        quote(part, safe="") for part in (settings.postgres_user, settings.postgres_password, settings.postgres_db)
    )
    return (
        f"postgresql+psycopg://{user}:{password}@{settings.postgres_address}/{database}"
        f"?connect_timeout={CONNECT_TIMEOUT_S}&application_name=sumflow-migrate"
    )
