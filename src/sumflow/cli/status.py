"""`sumflow status`: each component as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sumflow.cli import clusters, remote, units
from sumflow.cli.output import Output, common_options, data_dir_option, examples

if TYPE_CHECKING:
    from sumflow.local.status import ComponentStatus, SystemStatus

_HEADINGS: Final = ("COMPONENT", "WHAT", "STATE", "ADDRESS", "PID", "UPTIME", "MEMORY", "RESTARTS")
_RIGHT: Final = frozenset({4, 5, 6, 7})


@click.command(
    epilog=examples("sumflow status", "sumflow status --on kubernetes", "sumflow status --json | jq .healthy")
)
@clusters.place_options
@data_dir_option
@common_options
def status(data_dir: Path, output: Output) -> int:
    """Show each component: what it is, state, address, pid, uptime, memory.

    Every component is asked now. Exit code 0 says that all are healthy, 1 that one is not, 3 that nothing runs.
    """
    if clusters.place().kubernetes:
        return remote.status(clusters.place(), output)
    import msgspec

    from sumflow.local import facade

    seen = facade.status_of(data_dir)
    output.document(msgspec.to_builtins(seen))
    for line in lines(seen, output):
        output.line(line)
    return 0 if seen.healthy else 1


def lines(seen: SystemStatus, output: Output) -> Iterator[str]:
    """Draw the table, the problems below it, and a line about the whole."""
    heading, *rows = units.table([_HEADINGS, *map(_row, seen.components)], _RIGHT)
    yield "     " + heading
    for component, row in zip(seen.components, rows, strict=True):
        yield f"{output.mark('passed' if component.healthy else 'failed').ljust(4)} {row}"
    for component in seen.components:
        if not component.healthy:
            last = f"; it last {component.last_exit}" if component.last_exit else ""
            yield f"     {component.name}: {component.problem}{last}; log {component.log}"
        if component.warning:
            yield f"     {component.name}: {component.warning}"
    well = sum(component.healthy for component in seen.components)
    supervisor = f"supervisor {seen.supervisor.pid}" if seen.supervisor else "the supervisor is gone"
    yield (
        f"\nprofile {seen.profile}, {seen.phase}: {well} of {len(seen.components)} healthy, "
        f"{units.size(seen.memory_bytes)} in all, {supervisor}, data in {seen.data_dir}"
    )
    if not seen.supervisor:
        yield "nobody restarts what dies: `sumflow down` stops what is left, `sumflow up` starts it again"


def _row(component: ComponentStatus) -> tuple[str, ...]:
    return (
        component.name,
        component.what,
        component.state,
        " ".join(component.addresses),
        str(component.pid or "-"),
        "-" if component.uptime_s is None else units.duration(component.uptime_s),
        units.size(component.memory_bytes) if component.memory_bytes else "-",
        str(component.restarts),
    )
