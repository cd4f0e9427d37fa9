"""What `backup` and `restore` do when the databases are on a cluster."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sumflow.cli import staging, units
from sumflow.cli.clusters import Place
from sumflow.cli.output import Output
from sumflow.errors import UsageError

if TYPE_CHECKING:
    from sumflow.cluster.backup import Backups
    from sumflow.topology.model import Topology

AFTERWARDS = {
    "totalizer": ("what it had counted since is read from Kafka again: `sumflow audit --on kubernetes`",),
    "adder": (
        "what was accepted after that moment is forgotten, though clients were told that it is stored",
        "`sumflow audit --on kubernetes` names it, `sumflow rebuild --take-back --on kubernetes` makes totals agree",
    ),
}


def backup(place: Place, output: Output, *, into: Path | None, keep: int | None, only_list: bool, volume: str) -> int:
    """Back both databases up onto volumes of their own, or list what there is."""
    from sumflow.cli.backup import document, line
    from sumflow.cluster import backup as cluster_backup

    _refuse(into, "--into")
    system, kept = _kept(place)
    if not only_list:
        with staging.reporter(output) as reporter:
            cluster_backup.take(kept, system.profile, volume, reporter)
        for each in kept if keep else ():
            for gone in each.prune(keep or 1):
                output.line(f"removed {gone.path} of {each.component}")
    found = [(each, made) for each in kept if each.are_kept() for made in each.listed(each.pod())]
    for each, made in found if only_list else ():
        output.line(f"{each.component}: {line(made)}")
    output.line(f"{units.plural(len(found), 'backup')} on the cluster {place.connect().context}")
    output.document([document(made) for _, made in found])
    return 0


def restore(place: Place, output: Output, service: str, until: datetime | None, directory: Path | None) -> int:
    """Bring the database of a service back to a moment, and let the service go on with it."""
    from sumflow.cluster import rewind
    from sumflow.recovery.restore import SERVICES

    _refuse(directory, "--from")
    _, kept = _kept(place)
    chosen = dict(zip(SERVICES, kept, strict=True))[service]
    with staging.reporter(output) as reporter:
        used = rewind.rewind(chosen, until, reporter)
    output.document({"database": service, "to": until, "from": str(used.path), "replaced": "pgdata.replaced"})
    output.line(f"the {service}'s database was restored from {used.path}; its former data: pgdata.replaced beside them")
    for line in AFTERWARDS[service]:
        output.line(line)
    return 0


def _kept(place: Place) -> tuple[Topology, list[Backups]]:
    from sumflow.cluster import deployed
    from sumflow.cluster.backup import Backups
    from sumflow.verify.database import pair

    cluster = place.connect()
    system = deployed.declared(cluster)
    return system, [Backups(cluster, each) for each in pair(system)]


def _refuse(given: Path | None, option: str) -> None:
    if given is not None:
        raise UsageError(
            f"{option} names a directory of one machine",
            why="on a cluster backups are on a volume beside each database",
            remedy="leave it out; `--volume` gives that volume's size",
        )
