"""The scripts that back up and restore inside the pods, run here with a server of the same release."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from sumflow import steps
from sumflow.cluster import archiving, backup, rewind
from sumflow.database.queries import queries
from sumflow.local import postgres, privileges, process
from sumflow.recovery.record import Backup
from sumflow.settings import Address
from sumflow.verify.database import session
from tests import servers
from tests.ports import free_port

pytestmark = pytest.mark.integration
TRUSTED = "local all all trust\nhost replication all 127.0.0.1/32 scram-sha-256\nhost all all all scram-sha-256\n"
"""What the image writes into pg_hba.conf."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A database's directory, its server, and its volume for backups, which the scripts know as /backups."""

    server: postgres.Server
    volume: Path

    def script(self, text: str, *args: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a script as the database's container does."""
        environment = {
            "PATH": f"{Path(postgres.binary('psql')).parent}:{os.environ['PATH']}",
            "PGDATA": str(self.server.data),
            "PGPORT": str(self.server.port),
            "POSTGRES_USER": self.server.user,
            "POSTGRES_PASSWORD": self.server.password,
            "POSTGRES_DB": self.server.database,
        }
        command = [*privileges.unprivileged(), "sh", "-c", self._here(text), "sh", *map(self._here, args)]
        return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=False)

    def listed(self) -> list[Backup]:
        """Return the backups."""
        return [backup.read(line) for line in self.script(backup.LIST).stdout.splitlines()]

    def restore(self, until: str) -> subprocess.CompletedProcess[str]:
        """Restore the newest backup to a moment."""
        return self.script(rewind.RESTORE, str(self.listed()[-1].path), until, rewind.set_password(), *archiving.SERVER)

    @contextmanager
    def running(self) -> Iterator[psycopg.Connection[tuple[int]]]:
        """Run the server, which archives, and log in."""
        settings = [self._here(text) for text in archiving.SERVER[1:]]
        command = process.Command((*postgres.command(self.server), *settings), self.volume.parent / "log")
        running = process.start(command)
        try:
            servers.await_accepting(self.server, running)
            with psycopg.connect(self.server.url, autocommit=True) as connection:
                yield connection
        finally:
            servers.stop(running, 2)

    def _here(self, text: str) -> str:
        return text.replace(archiving.PLACE, str(self.volume))


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A new database and an empty volume for backups."""
    server = postgres.Server(tmp_path / "data", free_port(), "adder", "first", "adder")
    postgres.initialise(server)
    (server.data / "pg_hba.conf").write_text(TRUSTED)
    volume = tmp_path / "volume"
    volume.mkdir()
    privileges.give_away(volume)
    return Pod(server, volume)


def _take(pod: Pod) -> None:
    told = ("1", "dev", "adder-postgres-0", queries("sumflow.cluster").moment)
    done = pod.script(backup.TAKE, *told, given=f"{pod.server.password}\n")
    assert done.returncode == 0, done.stderr


def _rows(connection: psycopg.Connection[tuple[int]]) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM kept ORDER BY number")]


def _beside(pod: Pod) -> list[str]:
    """Return the directories of data."""
    return sorted(each.name for each in pod.server.data.parent.glob("data*") if each.is_dir())


def test_a_database_goes_back_to_a_moment_under_its_present_password(pod: Pod) -> None:
    """What was committed before the moment is there, what came later is not, and the former data stay beside."""
    with pod.running() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        _take(pod)
        connection.execute("INSERT INTO kept VALUES (2)")
        ((moment,),) = connection.execute(queries("sumflow.cluster").moment)
        connection.execute("INSERT INTO kept VALUES (3)")
    (made,) = pod.listed()
    assert (made.record.profile, list(made.record.first_wal)) == ("dev", ["adder-postgres-0"])
    assert made.record.began_at < made.record.ended_at
    rotated = Pod(replace(pod.server, password="second"), pod.volume)
    done = rotated.restore(datetime.fromisoformat(str(moment)).isoformat())
    assert done.returncode == 0, done.stderr
    with rotated.running() as connection:
        assert _rows(connection) == [1, 2]
    assert sorted(each.name for each in pod.server.data.parent.glob("data*")) == [
        "data",
        "data.replaced",
        "data.restore.log",
    ]


def test_without_a_moment_it_goes_to_the_end(pod: Pod) -> None:
    """WAL that only the server's own directory has, because no segment was full, is applied too."""
    with pod.running() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        _take(pod)
        connection.execute("INSERT INTO kept VALUES (2)")
    assert pod.restore("").returncode == 0
    with pod.running() as connection:
        assert _rows(connection) == [1, 2]


def test_a_moment_that_is_not_reached_leaves_the_data_alone(pod: Pod) -> None:
    """PostgreSQL's own words are told; so it is with a backup that was damaged, which is found before anything else."""
    with pod.running() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        _take(pod)
        connection.execute("INSERT INTO kept VALUES (2)")
    failed = pod.restore("2200-01-01T00:00:00+00:00")
    assert failed.returncode != 0
    assert "recovery ended before configured recovery target was reached" in failed.stderr
    damaged = pod.listed()[-1].path / "data/base/1/1259"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert "checksum mismatch" in pod.restore("").stderr
    assert _beside(pod) == ["data"]
    with pod.running() as connection:
        assert _rows(connection) == [1, 2]


def test_a_backup_that_fails_leaves_none(pod: Pod) -> None:
    """A server that is away: the reason is told, and what there is of it does not count."""
    done = pod.script(backup.TAKE, "1", "dev", "adder-postgres-0", queries("sumflow.cluster").moment, given="first\n")
    assert done.returncode != 0
    assert done.stderr
    assert pod.listed() == []


def test_removing_backups_keeps_what_the_kept_need(pod: Pod) -> None:
    """A backup goes as a whole, and the archive's older WAL with it."""
    with pod.running() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        _take(pod)
        connection.execute("SELECT pg_switch_wal()")
        _take(pod)
    first, second = pod.listed()
    assert pod.script(backup.REMOVE, str(first.path)).returncode == 0
    assert pod.listed() == [second]
    oldest = second.record.first_wal["adder-postgres-0"]
    assert pod.script(backup.FORGET_WAL, oldest).returncode == 0
    segments = sorted(each.name for each in (pod.volume / "wal").iterdir() if len(each.name) == len(oldest))
    assert segments[0] == oldest


def test_an_archive_that_refuses_is_told_by_the_server(pod: Pod) -> None:
    """What cannot be archived waits, and the check's question finds it; when the place is back nothing waits."""
    blocked = pod.volume / "wal"
    blocked.write_text("a file where the directory should be")
    where = (Address("127.0.0.1", pod.server.port), pod.server.user, pod.server.password, pod.server.database)

    def told(expected: str) -> steps.Readiness:
        seen = session(*where).unarchived
        return steps.Ready() if expected in seen and bool(expected) == bool(seen) else steps.NotYet(seen)

    with pod.running() as connection:
        assert session(*where).unarchived == ""
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        connection.execute("SELECT pg_switch_wal()")
        servers.await_ready("a refusal", lambda: told("1 segments wait"))
        blocked.unlink()
    with pod.running():
        servers.await_ready("an empty archive", lambda: told(""))
