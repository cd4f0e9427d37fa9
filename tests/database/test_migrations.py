"""Migrations come about exactly once, whoever starts at the same time and whatever died before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sumflow import database
from sumflow.database import migrations
from sumflow.settings import Address, ServiceSettings

pytestmark = pytest.mark.integration
PACKAGE = "sumflow.adder"


@pytest.fixture
def settings(database_url: str) -> ServiceSettings:
    """Settings of a service on an empty database."""
    parts = conninfo_to_dict(database_url)
    return ServiceSettings(
        postgres_address=Address(str(parts["host"]), int(parts["port"] or 5432)),
        postgres_user=str(parts["user"]),
        postgres_password=str(parts.get("password", "a b/c:d@e%")),
        postgres_db=str(parts["dbname"]),
        metrics_listen=Address("127.0.0.1", 1),
        instance="test",
    )


def test_services_that_start_together_all_succeed(settings: ServiceSettings) -> None:
    """Four processes migrate one empty database at once: none fails, and the schema is there."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: database.migrate(settings, PACKAGE), range(4)))
    with psycopg.connect(database.conninfo(settings, "test")) as connection:
        assert connection.execute("SELECT count(*) FROM lanes").fetchone() == (0,)


def test_a_start_after_a_kill_is_not_blocked(settings: ServiceSettings) -> None:
    """A lock row that a killed process left in yoyo's table is of no consequence."""
    database.migrate(settings, PACKAGE)
    with psycopg.connect(database.conninfo(settings, "test")) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    database.migrate(settings, PACKAGE)


def test_a_forgotten_transaction_is_named_and_not_waited_for(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a lock that nobody gives back a migration ends, says whose it is, and succeeds once it is gone."""
    monkeypatch.setitem(migrations._WAITS, "lock_timeout", "200ms")
    with psycopg.connect(database.conninfo(settings, "forgetful")) as forgotten:
        forgotten.execute("CREATE TABLE lanes ()")
        with pytest.raises(database.SchemaBusyError, match="forgetful, idle in transaction") as error:
            database.migrate(settings, PACKAGE)
        assert f"pg_terminate_backend(pid) of {forgotten.info.backend_pid}" in error.value.remedy
        forgotten.rollback()
        database.migrate(settings, PACKAGE)


def test_a_migration_that_goes_on_is_not_waited_for(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind another process that changes the schema a start ends too, and nobody is accused."""
    monkeypatch.setitem(migrations._WAITS, "lock_timeout", "200ms")
    with psycopg.connect(database.conninfo(settings, "other"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (migrations.MIGRATION_LOCK,))
        with pytest.raises(database.SchemaBusyError, match="another process that changes it"):
            database.migrate(settings, PACKAGE)


def test_session_parameters_reach_the_server(settings: ServiceSettings) -> None:
    """What conninfo is told about the session holds in it."""
    with psycopg.connect(database.conninfo(settings, "me", synchronous_commit="off")) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)
        assert connection.execute("SHOW application_name").fetchone() == ("me",)


def test_the_server_notices_a_client_that_vanished(settings: ServiceSettings) -> None:
    """Ten seconds of silence end the session, and its locks with it: a lost node's lanes are not held for two hours."""
    with psycopg.connect(database.conninfo(settings, "me")) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        }
    assert shown == {
        "tcp_keepalives_idle": ("4",),
        "tcp_keepalives_interval": ("2",),
        "tcp_keepalives_count": ("3",),
        "tcp_user_timeout": ("10000",),
    }
