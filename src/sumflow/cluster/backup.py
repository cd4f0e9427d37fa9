"""Backs up databases on a cluster, with PostgreSQL's own tools inside their pods, while they work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from sumflow import __version__
from sumflow.cluster import archiving, deployed
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Ref
from sumflow.cluster.observe import Watch
from sumflow.cluster.streams import Outcome, Pod, execute
from sumflow.database.queries import queries
from sumflow.errors import NotRunningError, SumflowError
from sumflow.recovery.record import Backup, Record
from sumflow.steps import NotYet, Readiness, Ready, Reporter, Step, run
from sumflow.topology.model import Database

WITHIN_S: Final = 6 * 3600.0
STARTS_WITHIN_S: Final = 300.0
_LATE: Final = "`sumflow status --on kubernetes` shows what holds it back; then the same command again"

TAKE: Final = f"""
set -eu; umask 077; cd {archiving.PLACE}
IFS= read -r PGPASSWORD; export PGPASSWORD PGHOST=127.0.0.1 PGUSER="$POSTGRES_USER" PGDATABASE="$POSTGRES_DB"
moment() {{ psql -XtAc "$4"; }}
name=$(date -u +%Y%m%dT%H%M%SZ)-$$; draft=.unfinished-$name
find . -maxdepth 1 -name '.unfinished-*' -mmin +1440 -exec rm -rf {{}} +
mkdir -p wal; mkdir "$draft"; trap 'rm -rf "$draft"' EXIT
began=$(moment "$@")
pg_basebackup -w -D "$draft"/data -X stream -c fast --manifest-checksums=SHA256
pg_verifybackup -q "$draft"/data
first=$(sed -n 's/^START WAL LOCATION: .*(file \\([0-9A-F]\\{{24\\}}\\))$/\\1/p' "$draft"/data/backup_label)
ended=$(moment "$@")
printf '{{"began_at":"%s","ended_at":"%s","version":"%s","profile":"%s","first_wal":{{"%s":"%s"}}}}\\n' \\
  "$began" "$ended" "$1" "$2" "$3" "$first" > "$draft"/backup.json
sync; mv "$draft" "$name"
"""
LIST: Final = f"""
for file in {archiving.PLACE}/*/backup.json; do
  if [ -f "$file" ]; then printf '%s\\t' "${{file%/backup.json}}"; cat "$file"; fi
done
"""
REMOVE: Final = """
set -eu
for place in "$@"; do rm "$place/backup.json"; rm -rf "$place"; done
"""
FORGET_WAL: Final = f'pg_archivecleanup {archiving.PLACE}/wal "$1"'


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups of one database.

    Args:
        cluster: where it is.
        database: whose backups.
    """

    cluster: Cluster
    database: Database

    @property
    def workload(self) -> Ref:
        """The StatefulSet's name."""
        return Ref("apps", "v1", "StatefulSet", self.database.workload.namespace, self.database.name)

    @property
    def component(self) -> str:
        """The name of the one pod, which is also the database's name in a backup's record."""
        return f"{self.database.name}-0"

    def pod(self) -> Pod:
        """Return the database's pod; raise NotRunningError if it is not ready."""
        return deployed.ready(self.cluster, self.at(self.component))

    def at(self, pod: str) -> Pod:
        """Return the database's container in a pod of that name."""
        return Pod(self.workload.namespace, pod, self.database.workload.containers[0].name)

    def are_kept(self) -> bool:
        """Tell whether the database archives its WAL: since its first backup."""
        live = self.cluster.get(self.workload)
        if live is None:
            raise NotRunningError(f"there is no {self.workload}", remedy="`sumflow deploy` makes it")
        return archiving.is_archiving(live)

    def listed(self, pod: Pod) -> list[Backup]:
        """Return the finished backups, as a pod that has them open sees them, oldest first."""
        lines = run_in(self.cluster, pod, LIST, within_s=60).output.splitlines()
        return [read(line) for line in lines]

    def take(self, profile: str) -> Backup:
        """Back it up; nothing is left of a backup that fails."""
        pod = self.pod()
        secret = deployed.secret(self.cluster, self.database.secret.namespace, self.database.secret.name)
        told = (__version__, profile, self.component, queries("sumflow.cluster").moment)
        run_in(self.cluster, pod, TAKE, *told, given=f"{secret['POSTGRES_PASSWORD']}\n")
        return self.listed(pod)[-1]

    def prune(self, keep: int) -> list[Backup]:
        """Remove all but the newest backups, and the WAL that none of those needs; return what was removed."""
        pod = self.pod()
        found = self.listed(pod)
        gone, kept = found[:-keep], found[-keep:]
        if gone:
            run_in(self.cluster, pod, REMOVE, *(str(each.path) for each in gone))
            oldest = kept[0].record.first_wal[self.component]
            run_in(self.cluster, pod, FORGET_WAL, oldest)
        return gone


def take(databases: Sequence[Backups], profile: str, size: str, reporter: Reporter) -> None:
    """Back databases up, one after the other; the first time each gets its volume, for which its pod is replaced.

    Raises:
        StepError: a database did not come back with its volume in time.
        SumflowError: a backup failed, and nothing is left of it.
    """
    for kept in databases:
        if not kept.are_kept():
            act, ready = partial(_begin, kept, size), partial(archives, kept, Watch(kept.cluster))
            run([Step(f"{kept.database.name} archives", act, ready, STARTS_WITHIN_S, when_late=_LATE)], reporter)
        run([_taking(kept, profile)], reporter)


def _begin(kept: Backups, size: str) -> None:
    kept.cluster.apply(archiving.claim(kept.database, size), manager=archiving.MANAGER)
    kept.cluster.apply(archiving.archiving(kept.database), manager=archiving.MANAGER)


def archives(kept: Backups, watch: Watch) -> Readiness:
    """Say whether the database runs again, with its volume for backups."""
    seen = watch.ready([kept.workload])
    return seen if isinstance(seen, NotYet) else Ready(f"WAL goes to {archiving.PLACE}/wal")


def _taking(kept: Backups, profile: str) -> Step:
    made: list[Backup] = []

    def act() -> None:
        made.append(kept.take(profile))

    return Step(kept.database.name, act, lambda: Ready(f"{made[0].path}, verified"), 1.0)


def read(line: str) -> Backup:
    """Read one line of the list of backups; raise SumflowError for a record that is damaged."""
    path, _, record = line.partition("\t")
    try:
        return Backup(Path(path), msgspec.json.decode(record, type=Record))
    except msgspec.MsgspecError as error:
        raise SumflowError(f"{path}/backup.json is damaged: {error}", remedy="remove that backup") from error


def run_in(cluster: Cluster, pod: Pod, script: str, *args: str, given: str = "", within_s: float = WITHIN_S) -> Outcome:
    """Run a shell script in a pod; raise SumflowError with its last words if it fails."""
    done = execute(cluster, pod, ["sh", "-c", script, "sh", *args], given=given, within_s=within_s)
    if done.code:
        raise SumflowError(
            f"this failed in {pod} with exit code {done.code}",
            why=(done.errors.strip() or done.output.strip())[-2000:],
            remedy=f"`kubectl logs -n {pod.namespace} {pod.name}` may say more; then the same command again",
        )
    return done
