"""`sumflow backup` and `sumflow restore`: the databases, kept and brought back to a moment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sumflow.cli import clusters, remote_backup, units
from sumflow.cli.output import Output, common_options, confirmed, data_dir_option, examples

if TYPE_CHECKING:
    from sumflow.recovery.record import Backup

_IN_DATA_DIR = "backups"
_AFTERWARDS = {
    "totalizer": ("`sumflow up` starts it: what it had counted since is read from Kafka again",),
    "adder": (
        "what was accepted after that moment is forgotten, though clients were told that it is stored",
        "`sumflow up`, then `sumflow audit` names it, and `sumflow rebuild --take-back` makes the totals agree",
    ),
}


class Moment(click.ParamType[datetime]):
    """A moment in ISO 8601; without an offset it is this machine's time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        try:
            return datetime.fromisoformat(str(value)).astimezone()
        except ValueError:
            self.fail(f"{value!r} is no time like 2026-01-31T17:30:00 or 2026-01-31T17:30:00+01:00", param, ctx)


def _as_backups(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    return value.absolute() if value else None


def _directory(given: Path | None, data_dir: Path) -> Path:
    return given or data_dir.absolute() / _IN_DATA_DIR


@click.command(
    epilog=examples(
        "sumflow backup",
        "sumflow backup --into /mnt/backups --keep 7",
        "sumflow backup --list --json",
        "sumflow backup --on kubernetes --keep 7      onto a volume beside each database",
    )
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    callback=_as_backups,
    metavar="DIR",
    help="Where backups and WAL go, best on another disk; `backups` in the data directory by default.",
)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Then remove all but the newest N, and older WAL.")
@click.option("--list", "only_list", is_flag=True, help="Show the backups that there are, and make none.")
@click.option(
    "--volume",
    default="10Gi",
    show_default=True,
    metavar="SIZE",
    help="On a cluster, the size of each database's volume for backups, made with the first one.",
)
@clusters.place_options
@data_dir_option
@common_options
def backup(into: Path | None, keep: int | None, only_list: bool, volume: str, data_dir: Path, output: Output) -> int:
    """Back both databases up while they work, each file verified.

    From the first backup on PostgreSQL archives its WAL beside it, so that `sumflow restore` reaches any moment after a
    backup. Without --keep nothing is ever removed. Nothing is left of a backup that was interrupted. On a cluster the
    first backup gives each database a volume for them, for which its pod is replaced once.
    """
    if clusters.place().kubernetes:
        return remote_backup.backup(clusters.place(), output, into=into, keep=keep, only_list=only_list, volume=volume)
    from sumflow.recovery import backup as recovery

    directory = _directory(into, data_dir)
    if not only_list:
        made = _take(directory, data_dir, output)
        output.line(f"{made.path} leads to any moment from {_time(made.record.ended_at)} on")
    for gone in recovery.prune(directory, keep) if keep and not only_list else ():
        output.line(f"removed {gone.path}")
    found = recovery.backups(directory)
    for each in found if only_list else ():
        output.line(line(each))
    output.line(f"{units.plural(len(found), 'backup')} in {directory}")
    output.document([document(each) for each in found])
    return 0


def _take(directory: Path, data_dir: Path, output: Output) -> Backup:
    from sumflow.cli import staging
    from sumflow.local.datadir import DataDir
    from sumflow.recovery import backup as recovery
    from sumflow.verify import on_machine

    target = on_machine.target(data_dir)
    home = DataDir(data_dir.absolute())
    with staging.reporter(output) as reporter:
        return recovery.take(home, target.topology.profile, target.servers(home), directory, reporter)


@click.command(
    epilog=examples(
        "sumflow restore --database totalizer --to 2026-01-31T17:30:00",
        "sumflow restore --database adder --from /mnt/backups        as far as its WAL goes",
        "sumflow restore --database totalizer --to 2026-01-31T17:30:00Z --on kubernetes",
    )
)
@click.option("--database", type=click.Choice(["adder", "totalizer"]), required=True, help="Whose database.")
@click.option("--to", "until", type=Moment(), metavar="TIME", help="The moment; as far as the WAL goes by default.")
@click.option(
    "--from",
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    callback=_as_backups,
    metavar="DIR",
    help="Where `sumflow backup` put them; `backups` in the data directory by default.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@clusters.place_options
@data_dir_option
@common_options
def restore(
    database: str, until: datetime | None, directory: Path | None, yes: bool, data_dir: Path, output: Output
) -> int:
    """Bring a database back to a moment: one of this machine while the system is down, on a cluster while it runs.

    The youngest backup before it is verified, copied, and brought there by the archived WAL. Only then the data are
    replaced; the former ones stay beside. If it fails, everything is as it was. Exit code 1 also says that the answer
    was no. On a cluster the database is away meanwhile, and its service goes on by itself afterwards.
    """
    from sumflow.cli import staging
    from sumflow.local.datadir import DataDir
    from sumflow.recovery import restore as recovery

    moment = _time(until) if until else "the end of its WAL"
    if not yes and not _confirmed(database, moment, data_dir):
        output.note("nothing was changed")
        return 1
    if clusters.place().kubernetes:
        return remote_backup.restore(clusters.place(), output, database, until, directory)
    home = DataDir(data_dir.absolute())
    with staging.reporter(output) as reporter:
        replaced, used = recovery.restore(home, database, _directory(directory, data_dir), until, reporter)
    output.document({"database": database, "to": until, "from": str(used.path), "replaced": str(replaced)})
    output.line(f"the {database}'s database is at {moment}; its former data: {replaced}")
    for line in _AFTERWARDS[database]:
        output.line(line)
    return 0


def _confirmed(database: str, moment: str, data_dir: Path) -> bool:
    question = f"Bring the {database}'s database {clusters.place().named(data_dir)} to {moment}?"
    return confirmed(question, "restoring", "say `sumflow restore --yes`")


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(timespec="seconds")


def line(each: Backup) -> str:
    """Draw a backup for a person."""
    return f"{each.path}  from {_time(each.record.ended_at)} on, profile {each.record.profile}"


def document(each: Backup) -> dict[str, Any]:
    """Write a backup for a program."""
    record = each.record
    return {
        "path": str(each.path),
        "began_at": record.began_at,
        "ended_at": record.ended_at,
        "version": record.version,
        "profile": record.profile,
        "databases": sorted(record.first_wal),
    }
