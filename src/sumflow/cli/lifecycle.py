"""`sumflow up`, `down` and `destroy`: the life of the system on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sumflow.cli import clusters, remote, units
from sumflow.cli.output import Output, common_options, confirmed, data_dir_option, examples
from sumflow.client.endpoints import ADDER, TOTALIZER

if TYPE_CHECKING:
    from sumflow.local.options import UpOptions

_INTERRUPTED: Final = 130
_NEXT: Final = ("sumflow add 2 3", "sumflow total --watch", "sumflow verify", "sumflow status", "sumflow down")


@click.command(
    epilog=examples(
        "sumflow up                               the profile dev; Ctrl-C stops it",
        "sumflow up --detach                      return when it is ready, leave it running",
        "sumflow up --profile spec --detach       the specification: 3 brokers, 3 ZooKeeper nodes",
        "sumflow up -d --data-dir /srv/b --port-base 31000    a second system beside the first",
    )
)
@click.option("--profile", default="dev", show_default=True, metavar="NAME", help="dev, kraft or spec.")
@click.option("--detach", "-d", is_flag=True, help="Return when the system is ready and leave it running.")
@click.option(
    "--port-base",
    type=click.IntRange(1024, 65000),
    metavar="N",
    help="Put all ports into one block from N, instead of the declared ones.",
)
@click.option(
    "--manifests",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Read another directory k8s than the installed one.",
)
@data_dir_option
@common_options
def up(
    profile: str, detach: bool, port_base: int | None, manifests: Path | None, data_dir: Path, output: Output
) -> int:
    """Start the declared system on this machine.

    The profile's manifests in k8s/ are realised as ordinary processes: real Kafka, real PostgreSQL, the services.
    The first time, Kafka is downloaded and verified; later nothing is fetched. A system that is already up is left
    as it is. The data stays in the data directory when the system stops.
    """
    from sumflow.local.options import UpOptions

    options = UpOptions.of(profile, data_dir=data_dir, port_base=port_base, manifests=manifests)
    return _detached(options, output) if detach else _foreground(options, output)


def _detached(options: UpOptions, output: Output) -> int:
    from sumflow.cli import staging
    from sumflow.interruption import interruptible
    from sumflow.local import facade

    began = time.monotonic()
    # A starter that is asked to end, by whatever signal, takes back what it began, as at Ctrl-C.
    with interruptible(), staging.reporter(output) as reporter:
        fresh = facade.up_detached(options, reporter)
    _say_up(options, output, time.monotonic() - began, fresh=fresh)
    output.line(f"next      {'   '.join(_NEXT)}")
    return 0


def _foreground(options: UpOptions, output: Output) -> int:
    """Stay until Ctrl-C; an interruption before everything was ready is told from a stop on request."""
    from contextlib import ExitStack

    from sumflow.cli import staging
    from sumflow.local import facade

    began = time.monotonic()
    ready: list[float] = []
    with ExitStack() as drawing:
        reporter = drawing.enter_context(staging.reporter(output))

        def when_up() -> None:
            drawing.close()
            ready.append(time.monotonic() - began)
            # The supervisor's own record exists by now, so that the addresses can be read like from any process.
            _say_up(options, output, ready[0], fresh=True)
            output.line("Ctrl-C stops it; in another terminal: " + "   ".join(_NEXT[:4]))
            sys.stdout.flush()

        was_here = facade.up(options, reporter, when_up)
    if not was_here:
        _say_up(options, output, 0.0, fresh=False)
        return 0
    output.note("stopped; the data stays" if ready else "interrupted; what was started is stopped again")
    return 0 if ready else _INTERRUPTED


def _say_up(options: UpOptions, output: Output, elapsed_s: float, *, fresh: bool) -> None:
    from sumflow.local import facade

    names = facade.addresses(options.data_dir)
    output.document(
        {"profile": options.profile, "data_dir": str(options.data_dir), "already_up": not fresh, "addresses": names}
    )
    how = f"up in {units.duration(elapsed_s)}" if fresh else "already up"
    output.line(f"\n{output.style(how, 'green', bold=True)}: profile {options.profile}, data in {options.data_dir}")
    for line in units.table(_doors(names)):
        output.line(line)


def _doors(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what people look for first: the page, the service, the broker."""
    kafka = next((local for name, local in names.items() if "kafka-bootstrap" in name), "")
    return [
        ("page    ", f"http://{names[TOTALIZER]}/"),
        ("REST    ", f"http://{names[TOTALIZER]}/v1/results"),
        ("gRPC    ", f"{names[ADDER]}  sum.SumNumbersService"),
        ("Kafka   ", kafka),
    ]


@click.command(epilog=examples("sumflow down", "sumflow down --data-dir /srv/b"))
@data_dir_option
@common_options
def down(data_dir: Path, output: Output) -> int:
    """Stop the system, in reverse order, within seconds; the data stays.

    Processes that a killed supervisor left behind are found and stopped too.
    """
    from sumflow.local import facade

    began = time.monotonic()
    stopped = facade.down(data_dir, lambda names: output.line(f"stopping {names}"))
    took = units.duration(time.monotonic() - began)
    output.document({"stopped": stopped, "data_dir": str(data_dir)})
    output.line(f"stopped in {took}; the data stays in {data_dir}" if stopped else f"nothing runs in {data_dir}")
    return 0


@click.command(
    epilog=examples(
        "sumflow destroy",
        "sumflow destroy --yes --data-dir /srv/b",
        "sumflow destroy --on kubernetes                the volumes stay",
        "sumflow destroy --on kubernetes --delete-data",
    )
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--delete-data", is_flag=True, help="On a cluster: volumes and passwords too, for good.")
@clusters.place_options
@data_dir_option
@common_options
def destroy(yes: bool, delete_data: bool, data_dir: Path, output: Output) -> int:
    """Stop the system and remove its data: databases, topics, secrets and logs, for good.

    A directory that SumFlow did not make is never touched. On a cluster only what `deploy` created is removed, and
    the data stays unless --delete-data is said. Exit code 1 says that the answer was no.
    """
    if clusters.place().kubernetes:
        return remote.destroy(clusters.place(), output, yes=yes, delete_data=delete_data)
    from sumflow.local import facade

    if not yes and not _confirmed(data_dir):
        output.note("nothing is removed")
        return 1
    removed = facade.destroy(data_dir, lambda names: output.line(f"stopping {names}"))
    output.document({"removed": removed, "data_dir": str(data_dir)})
    output.line(f"removed what was in {data_dir}" if removed else f"there is nothing in {data_dir}")
    return 0


def _confirmed(data_dir: Path) -> bool:
    question = f"Remove all data in {data_dir}, for good?"
    return confirmed(question, f"destroying {data_dir}", "say `sumflow destroy --yes`")
