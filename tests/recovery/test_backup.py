"""What backups are made of: the archive of WAL, the choice of a backup, what is left when there are too many."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest

from sumflow import steps
from sumflow.errors import SumflowError, UsageError
from sumflow.local import postgres
from sumflow.local.datadir import DataDir, write_atomically
from sumflow.recovery import backup, restore
from sumflow.recovery.record import Backup, Record, choose
from tests.servers import postgres_server

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
COMPONENT = "adder-postgres-0"


def _made(hour: int, place: Path = Path("/backups")) -> Backup:
    ended = NOON + timedelta(hours=hour)
    wal = {COMPONENT: f"{hour:024X}"}
    return Backup(place / f"{hour:02}", Record(ended - timedelta(minutes=1), ended, "1", "dev", wal))


def _written(place: Path, hour: int) -> Backup:
    made = _made(hour, place)
    (made.path / COMPONENT).mkdir(parents=True)
    write_atomically(made.path / "backup.json", msgspec.json.encode(made.record))
    return made


@pytest.mark.parametrize(("until", "hour"), [(None, 2), (2.5, 2), (2, 2), (1.99, 1), (0, 0)])
def test_the_youngest_backup_before_a_moment_is_chosen(until: float | None, hour: int) -> None:
    """A backup leads to moments after its end only; without a moment the newest is nearest."""
    moment = None if until is None else NOON + timedelta(hours=until)
    assert choose([_made(0), _made(1), _made(2)], COMPONENT, moment) == _made(hour)


@pytest.mark.parametrize(("component", "until"), [(COMPONENT, NOON - timedelta(seconds=1)), ("another", None)])
def test_a_moment_before_all_backups_is_refused(component: str, until: datetime | None) -> None:
    """Nothing is guessed: there is no backup, and what there is is named."""
    with pytest.raises(UsageError, match="no backup of"):
        choose([_made(0)], component, until)


def test_only_finished_backups_count(tmp_path: Path) -> None:
    """A directory without its record was interrupted; one whose record is damaged is told."""
    _written(tmp_path, 3)
    (tmp_path / "04" / COMPONENT).mkdir(parents=True)
    assert backup.backups(tmp_path) == [_made(3, tmp_path)]
    for content in (b"{", b'{"version": "\xff"}'):
        (tmp_path / "04" / "backup.json").write_bytes(content)
        with pytest.raises(SumflowError, match="damaged"):
            backup.backups(tmp_path)


def test_pruning_keeps_what_the_kept_need(tmp_path: Path) -> None:
    """The oldest backups go, and WAL from before the oldest that stays; nothing more."""
    made = [_written(tmp_path, hour) for hour in range(4)]
    archive = tmp_path / "wal" / COMPONENT
    archive.mkdir(parents=True)
    for hour in range(5):
        (archive / f"{hour:024X}").touch()
    assert backup.prune(tmp_path, 2) == made[:2]
    assert backup.backups(tmp_path) == made[2:]
    assert sorted(int(file.name, 16) for file in archive.iterdir()) == [2, 3, 4]
    assert backup.prune(tmp_path, 2) == []


@pytest.fixture
def archiving(tmp_path: Path) -> tuple[Path, Callable[[], int]]:
    """The link to an archive, and PostgreSQL's way to hand a segment over; the path needs quoting."""
    link, segment = tmp_path / "it's 100% mine" / "archive", tmp_path / "segment"
    link.parent.mkdir()
    segment.write_text("one")

    def hand_over() -> int:
        command = postgres.archive_command(link).replace("%p", str(segment)).replace("%f", "0001").replace("%%", "%")
        return subprocess.run(command, shell=True, check=False).returncode  # noqa: S602, as PostgreSQL does

    return link, hand_over


def test_without_a_backup_nothing_is_archived(archiving: tuple[Path, Callable[[], int]]) -> None:
    """WAL that nobody needs is let go."""
    link, hand_over = archiving
    assert hand_over() == 0
    assert not link.exists()


def test_a_segment_is_archived_whole_and_once(archiving: tuple[Path, Callable[[], int]], tmp_path: Path) -> None:
    """Handed over again after a crash it is accepted; another one of its name is refused."""
    link, hand_over = archiving
    archive = tmp_path / "elsewhere"
    archive.mkdir()
    link.symlink_to(archive)
    assert (hand_over(), hand_over()) == (0, 0)
    assert [(file.name, file.read_text()) for file in archive.iterdir()] == [("0001", "one")]
    (archive / "0001").write_text("two")
    assert hand_over() != 0
    assert (archive / "0001").read_text() == "two"


def test_an_archive_that_is_away_keeps_the_segment(archiving: tuple[Path, Callable[[], int]], tmp_path: Path) -> None:
    """The disk of the backups is not mounted: PostgreSQL hears of a failure, and tries again."""
    link, hand_over = archiving
    link.symlink_to(tmp_path / "not mounted")
    assert hand_over() != 0


def test_a_server_is_brought_back_and_replaced_at_the_end_only(tmp_path: Path) -> None:
    """A damaged backup is found before anything is touched; a whole one brings the server to its end."""
    home, log = DataDir(tmp_path), tmp_path / "restore.log"
    with postgres_server(tmp_path, "adder") as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        made = backup.take(home, "dev", [server], tmp_path / "backups", steps.Silent())
        with psycopg.connect(server.url) as connection:
            connection.execute("INSERT INTO kept VALUES (2)")
    damaged = made.path / server.data.name / "base" / "1" / "1259"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + b"x")
    with pytest.raises(SumflowError, match="pg_verifybackup"):
        restore.Restore(server, made, None, log).run(steps.Silent())
    damaged.write_bytes(content)
    assert sorted(file.name for file in tmp_path.iterdir() if "data" in file.name) == ["data"]
    restore.Restore(server, made, None, log).run(steps.Silent())
    assert sorted(file.name for file in tmp_path.iterdir() if "data" in file.name) == ["data", "data.replaced"]
    assert "archive recovery complete" in log.read_text()
