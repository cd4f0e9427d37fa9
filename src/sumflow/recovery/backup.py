"""Backups of one machine's databases, by PostgreSQL's own tools: a base backup of each, and WAL archived from then on.

DIR/<time>/backup.json           what it is; written last, so that a backup without it is none
DIR/<time>/<component>/          the data directory of one server, with the manifest that pg_verifybackup checks
DIR/wal/<component>/             WAL since the oldest backup: with it a backup leads to any moment after its end
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from sumflow import __version__, steps
from sumflow.errors import SumflowError, UsageError
from sumflow.local import postgres, privileges, process
from sumflow.local.datadir import DataDir, clear_disk_errors, one_at_a_time, write_atomically
from sumflow.recovery.record import Backup, Record

WITHIN_S: Final = 6 * 3600.0
_RECORD: Final = "backup.json"
_FIRST_WAL: Final = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$", re.MULTILINE)
_DIGITS: Final = "%Y%m%dT%H%M%SZ"


def backups(directory: Path) -> list[Backup]:
    """Return the finished backups of a directory, oldest first; raise SumflowError for a record that is damaged."""
    found = []
    for file in sorted(directory.glob(f"*/{_RECORD}")):
        try:
            found.append(Backup(file.parent, msgspec.json.decode(file.read_bytes(), type=Record)))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SumflowError(
                f"{file} is damaged: {error}", remedy="remove that backup, or restore the file"
            ) from error
    return found


def take(
    home: DataDir, profile: str, servers: Sequence[postgres.Server], directory: Path, reporter: steps.Reporter
) -> Backup:
    """Back every server up while it works; raise SumflowError if that fails, and then nothing is left of it.

    Args:
        home: of the running system.
        profile: of the running system.
        servers: its databases.
        directory: where backups go; the WAL of the system is archived there from now on.
        reporter: hears the steps.
    """
    began_at = datetime.now(UTC)
    place, draft = directory / began_at.strftime(_DIGITS), directory / ".unfinished"
    with clear_disk_errors(directory, "--into"), one_at_a_time(directory):
        if place.exists():
            raise UsageError(f"{place} is a second old", remedy="there is a backup of this moment: use that")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        try:
            steps.run([_step(home, server, directory, draft) for server in servers], reporter)
            first_wal = {server.data.name: _first_wal(draft / server.data.name) for server in servers}
            record = Record(began_at, datetime.now(UTC), __version__, profile, first_wal)
            write_atomically(draft / _RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1))
            draft.rename(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return Backup(place, record)


def prune(directory: Path, keep: int) -> list[Backup]:
    """Remove all but the newest backups, and the WAL that none of those needs; return what was removed."""
    with clear_disk_errors(directory, "--into"), one_at_a_time(directory):
        found = backups(directory)
        gone, kept = found[:-keep], found[-keep:]
        for each in gone:
            (each.path / _RECORD).unlink()
            shutil.rmtree(each.path)
        for component, oldest in (kept[0].record.first_wal if kept else {}).items():
            _run("pg_archivecleanup", str(directory / "wal" / component), oldest)
    return gone


def verify(backup: Backup, component: str) -> None:
    """Check every file of a server's base backup against its manifest; raise SumflowError if one differs."""
    _run("pg_verifybackup", "--quiet", str(backup.path / component))


def _step(home: DataDir, server: postgres.Server, directory: Path, draft: Path) -> steps.Step:
    name, into = server.data.name, draft / server.data.name

    def size() -> steps.Readiness:
        total = sum(file.stat().st_size for file in into.rglob("*") if file.is_file())
        return steps.Ready(f"{total / (1 << 20):,.1f} MiB, verified")

    return steps.Step(name, partial(_back_up, home, server, directory, into), size, 1.0)


def _back_up(home: DataDir, server: postgres.Server, directory: Path, into: Path) -> None:
    _archive_to(home.archive(server.data.name), directory / "wal" / server.data.name)
    _make(into)
    where = ("-h", "127.0.0.1", "-p", str(server.port), "-U", server.user, "--no-password")
    how = ("--pgdata", str(into), "--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256")
    _run("pg_basebackup", *where, *how, env={"PGPASSWORD": server.password})
    _run("pg_verifybackup", "--quiet", str(into))


def _archive_to(link: Path, archive: Path) -> None:
    """Let the server archive its WAL there from now on: the base backup that follows is the first to need it."""
    archive.parent.mkdir(exist_ok=True, mode=0o700)
    _make(archive)
    link.parent.mkdir(exist_ok=True, mode=0o700)
    draft = link.with_name(f".{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(archive, target_is_directory=True)
    draft.replace(link)


def _make(directory: Path) -> None:
    directory.mkdir(exist_ok=True, mode=0o700)
    privileges.give_away(directory)


def _first_wal(base: Path) -> str:
    found = _FIRST_WAL.search((base / "backup_label").read_text(encoding="ascii"))
    if found is None:
        raise SumflowError(f"{base / 'backup_label'} does not say where its WAL begins")
    return found[1]


def _run(program: str, *arguments: str, env: dict[str, str] | None = None) -> None:
    argv = (*privileges.unprivileged(), postgres.binary(program), *arguments)
    done = process.run(argv, WITHIN_S, env=env)
    if done.returncode:
        raise SumflowError(
            f"{program} failed with exit code {done.returncode}",
            why=(done.stderr.strip() or done.stdout.strip())[-2000:],
            remedy="`sumflow status` shows whether the databases run, `sumflow doctor` looks at the disk",
        )
