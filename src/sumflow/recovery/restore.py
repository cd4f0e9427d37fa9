"""Brings one database of a stopped system back to a moment: base backup, archived WAL up to there, then a proof start.

The server's data are replaced only after the restored ones have been started and have reached the moment.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg

from sumflow import steps, topology
from sumflow.errors import StepError, SumflowError, UsageError
from sumflow.local import credentials, postgres, preflight, privileges, process
from sumflow.local.datadir import DataDir, clear_disk_errors, exclusive
from sumflow.recovery.backup import WITHIN_S, backups, verify
from sumflow.recovery.record import Backup, choose
from sumflow.verify.database import pair

SERVICES: Final = ("adder", "totalizer")
"""Whose databases there are."""
REPLACED: Final = ".replaced"
"""What the name of the data that were replaced ends with; the next restore replaces them."""
_STOP_S: Final = 60.0


def restore(
    home: DataDir, service: str, directory: Path, until: datetime | None, reporter: steps.Reporter
) -> tuple[Path, Backup]:
    """Restore the database of a service of a stopped system; return what was replaced, and the backup.

    Args:
        home: of the system.
        service: `adder` or `totalizer`.
        directory: where the backups are.
        until: to which moment; None for as far as the WAL goes.
        reporter: hears the steps.

    Raises:
        SumflowError: the system runs, there is no such backup, or the moment is not reached.
    """
    with exclusive(home) as free:
        if not free:
            raise UsageError(f"the system in {home.path} runs", remedy="`sumflow down` first")
        server = _declared(home, service)
        backup = choose(backups(directory), server.data.name, until)
        Restore(server, backup, until, home.log(f"{server.data.name}.restore")).run(reporter)
    return server.data.with_name(server.data.name + REPLACED), backup


def _declared(home: DataDir, service: str) -> postgres.Server:
    """Return a service's server as the manifests and the kept secrets have it."""
    mark = home.mark()
    if mark is None:
        raise UsageError(f"{home.path} is not a data directory of SumFlow", remedy="name it with --data-dir")
    declared = dict(zip(SERVICES, pair(topology.load(mark.profile)), strict=True))[service]
    kept = credentials.read(home.secrets)[declared.secret.namespace, declared.secret.name]
    name = f"{declared.name}-0"
    return postgres.Server(
        home.data(name), 0, declared.user, kept["POSTGRES_PASSWORD"], declared.database, home.archive(name)
    )


@dataclass(slots=True)
class Restore:
    """The restore of one server.

    Args:
        server: as declared; it must not run.
        backup: from where.
        until: to which moment; None for as far as the WAL goes.
        log: the file that takes what the restored server says.
    """

    server: postgres.Server
    backup: Backup
    until: datetime | None
    log: Path
    _running: subprocess.Popen[bytes] | None = field(default=None)

    def run(self, reporter: steps.Reporter) -> None:
        """Carry it out; raise SumflowError if it fails, and then the server's data are as they were."""
        shutil.rmtree(self._draft, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        try:
            with clear_disk_errors(self.server.data):
                steps.run(self._recipe(), reporter)
        finally:
            self._stop()
            shutil.rmtree(self._draft, ignore_errors=True)

    @property
    def _draft(self) -> Path:
        return self.server.data.with_name(f"{self.server.data.name}.restoring")

    def _recipe(self) -> list[steps.Step]:
        component = self.server.data.name
        moment = self.until.isoformat() if self.until else "the end of its WAL"
        return [
            _done("verify", lambda: verify(self.backup, component), f"{self.backup.path} is as it was written"),
            _done("copy", self._copy, "with the WAL that only the server's own directory has"),
            steps.Step("recover", self._start, lambda: self._recovered(moment), WITHIN_S, when_late=f"see {self.log}"),
            _done("replace", self._replace, f"{component} is restored; its former data are {component}{REPLACED}"),
        ]

    def _copy(self) -> None:
        """Copy the base backup as the user that the server runs as, and what WAL was not archived yet."""
        _copy(["-Rp", str(self.backup.path / self.server.data.name), str(self._draft)])
        own, into = self.server.data / "pg_wal", self._draft / "pg_wal"
        segments = [str(file) for file in sorted(own.glob("?" * 24)) if not (into / file.name).exists()]
        if segments:
            _copy(["-p", *segments, str(into)])
        (self._draft / "recovery.signal").touch()

    def _start(self) -> None:
        port = preflight.free_block(1)  # nobody but this process needs to know it
        archive = self.backup.path.parent / "wal" / self.server.data.name
        settings = {
            "restore_command": postgres.restore_command(archive),
            "recovery_target_action": "promote",
            **({"recovery_target_time": self.until.isoformat()} if self.until else {}),
        }
        self.server = replace(self.server, port=port)
        command = postgres.command(replace(self.server, data=self._draft))
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        self._running = process.start(process.Command((*command, *options), self.log))

    def _recovered(self, moment: str) -> steps.Readiness:
        if self._running is not None and self._running.poll() is not None:
            raise StepError(
                f"{self.server.data.name} could not be brought to {moment}; its data are as they were",
                why=process.log_tail(self.log),
                remedy="without --to it is brought as far as the WAL goes; an earlier backup may be whole",
            )
        try:
            with psycopg.connect(self.server.url, connect_timeout=5) as connection:
                row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
        except psycopg.OperationalError as error:
            return steps.NotYet(str(error).strip())
        return steps.Ready(f"it is at {moment}") if row == (False,) else steps.NotYet("WAL is applied")

    def _replace(self) -> None:
        self._stop()
        data = self.server.data
        aside = data.with_name(data.name + REPLACED)
        shutil.rmtree(aside, ignore_errors=True)
        if data.exists():
            data.rename(aside)
        self._draft.rename(data)

    def _stop(self) -> None:
        if self._running is None:
            return
        self._running.send_signal(signal.SIGINT)
        try:
            self._running.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        self._running = None


def _done(name: str, act: Callable[[], None], evidence: str) -> steps.Step:
    """Return a step that is over when it has acted."""
    return steps.Step(name, act, lambda: steps.Ready(evidence), 1.0)


def _copy(arguments: list[str]) -> None:
    done = process.run((*privileges.unprivileged(), "cp", *arguments), WITHIN_S)
    if done.returncode:
        raise SumflowError(
            "the backup cannot be copied", why=done.stderr.strip(), remedy="free some space, and try again"
        )
