"""Brings one database on a cluster back to a moment: stopped, laid anew from a backup and its WAL, started again.

As on one machine, the data are replaced only after the restored ones were started and have reached the moment. All of
it happens in a pod that has the database's volumes open while the database is scaled to 0. Whatever ends this, the
database is scaled to 1 again; only the loss of the process itself leaves it at 0, and then the same command goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from sumflow.cluster import archiving
from sumflow.cluster.backup import STARTS_WITHIN_S, Backups, run_in
from sumflow.cluster.objects import Ref
from sumflow.cluster.observe import Watch
from sumflow.database.queries import queries
from sumflow.errors import NotRunningError, UsageError
from sumflow.recovery.record import Backup, choose
from sumflow.steps import NotYet, Readiness, Ready, Reporter, Step, run

STOPS_WITHIN_S: Final = 120.0
_LATE: Final = "`sumflow status --on kubernetes` shows what holds it; then the same command again"

# The password is set again because it may have been rotated since that moment, and the services have the present one.
RESTORE: Final = f"""
set -eu; umask 077
new=$PGDATA.restoring; log=$PGDATA.restore.log
rm -rf "$new"; pg_verifybackup -q "$1/data"; cp -Rp "$1/data" "$new"
for segment in "$PGDATA"/pg_wal/????????????????????????; do
  if [ -f "$segment" ] && [ ! -e "$new/pg_wal/${{segment##*/}}" ]; then cp -p "$segment" "$new/pg_wal/"; fi
done
touch "$new/recovery.signal"
until=$2; password=$3; shift 3
[ -z "$until" ] || set -- "$@" -c "recovery_target_time=$until"
"$@" -D "$new" -c listen_addresses= -c unix_socket_directories=/tmp -c hot_standby=off \\
  -c recovery_target_action=promote -c 'restore_command=cp {archiving.PLACE}/wal/%f %p' > "$log" 2>&1 & server=$!
until pg_isready -q -h /tmp -U "$POSTGRES_USER"; do
  kill -0 $server 2>/dev/null || {{ tail -n 12 "$log" >&2; rm -rf "$new"; exit 1; }}
  sleep 1
done
printf '%s\\n' "$password" | psql -Xq -h /tmp -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v ON_ERROR_STOP=1
kill -INT $server; wait $server || true
rm -rf "$PGDATA.replaced"
if [ -e "$PGDATA" ]; then mv "$PGDATA" "$PGDATA.replaced"; fi
mv "$new" "$PGDATA"; sync
"""

_VARIABLES: Final = '\\set role `echo "$POSTGRES_USER"`\n\\set password `echo "$POSTGRES_PASSWORD"`\n'


def rewind(kept: Backups, until: datetime | None, reporter: Reporter) -> Backup:
    """Restore a database; return the backup that was used.

    Args:
        kept: the backups of the database.
        until: to which moment; None for as far as the WAL goes.
        reporter: hears the steps.

    Raises:
        UsageError: there is no such backup; the database was not stopped, if it runs.
        SumflowError: the moment is not reached, and the data are as they were.
    """
    if not kept.are_kept():
        raise UsageError(
            f"there are no backups of {kept.database.name}", remedy="`sumflow backup --on kubernetes` makes one"
        )
    _refuse_early(kept, until)
    used: list[Backup] = []
    with _stopped(kept, reporter) as pod:

        def act() -> None:
            used.append(choose(kept.listed(kept.at(pod)), kept.component, until))
            _lay(kept, pod, used[0], until)

        moment = until.isoformat() if until else "the end of its WAL"
        run([Step("restore", act, lambda: Ready(f"{kept.component} is at {moment}"), 1.0)], reporter)
    return used[0]


def _refuse_early(kept: Backups, until: datetime | None) -> None:
    """Refuse a moment that no backup leads to, while the database still runs; one that does not run is no obstacle."""
    try:
        pod = kept.pod()
    except NotRunningError:
        return
    choose(kept.listed(pod), kept.component, until)


def _lay(kept: Backups, pod: str, backup: Backup, until: datetime | None) -> None:
    moment = until.isoformat() if until else ""
    run_in(kept.cluster, kept.at(pod), RESTORE, str(backup.path), moment, set_password(), *archiving.SERVER)


def set_password() -> str:
    """Return what psql does to give the restored database the password of the pod's environment."""
    return f"{_VARIABLES}{queries('sumflow.cluster').set_password};"


@contextmanager
def _stopped(kept: Backups, reporter: Reporter) -> Iterator[str]:
    """Stop the database for the block, and name a pod that has its volumes open instead."""
    live = kept.cluster.get(kept.workload)
    if live is None:
        raise NotRunningError(f"there is no {kept.workload}", remedy="`sumflow deploy` makes it")
    holding = Ref("", "v1", "Pod", kept.workload.namespace, f"{kept.database.name}-restore")
    database = replace(holding, name=kept.component)
    watch = Watch(kept.cluster)

    def stop() -> None:
        kept.cluster.delete(holding)
        _scale(kept, 0)

    def hold() -> None:
        kept.cluster.apply(archiving.restoring_pod(live, holding.name), manager=archiving.MANAGER)

    try:
        run(
            [
                Step("stop", stop, lambda: _gone(kept, database, holding), STOPS_WITHIN_S, when_late=_LATE),
                Step("open volumes", hold, lambda: watch.ready([holding]), STARTS_WITHIN_S, when_late=_LATE),
            ],
            reporter,
        )
        yield holding.name
    finally:
        kept.cluster.delete(holding)
        ready = partial(watch.ready, [kept.workload])
        run([Step("start", partial(_scale, kept, 1), ready, STARTS_WITHIN_S, when_late=_LATE)], reporter)


def _scale(kept: Backups, replicas: int) -> None:
    kept.cluster.merge(kept.workload, {"spec": {"replicas": replicas}}, manager=archiving.MANAGER)


def _gone(kept: Backups, *pods: Ref) -> Readiness:
    there = [str(each) for each in pods if kept.cluster.get(each) is not None]
    return NotYet(f"{', '.join(there)} is still there") if there else Ready(f"{kept.component} is stopped")
