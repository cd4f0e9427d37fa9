"""`sumflow verify`: the specification's checklist, live."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sumflow.cli import clusters, remote
from sumflow.cli.output import Output, common_options, data_dir_option, examples

if TYPE_CHECKING:
    from sumflow.verify.target import Target


@click.command(
    epilog=examples(
        "sumflow verify",
        "sumflow verify --on kubernetes",
        "sumflow verify --json | jq '.checks[] | select(.result != \"passed\")'",
    )
)
@click.option(
    "--manifests",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="The directory k8s that the system was started from, if not the installed one.",
)
@clusters.place_options
@data_dir_option
@common_options
def verify(manifests: Path | None, data_dir: Path, output: Output) -> int:
    """Run the specification's testing checklist against the running system.

    Each line says what was looked at, what came of it and how that was seen; a failure says what to do. A test
    message and a sum are sent; neither changes the total. Exit code 1 says that a check failed.
    """
    from sumflow.cli import checklist
    from sumflow.verify import infrastructure, pipeline
    from sumflow.verify.check import Result, run_all

    results: list[Result] = []
    with target_of(manifests, data_dir) as target:
        for result in run_all([*infrastructure.checks(target), *pipeline.checks(target)]):
            if not results or results[-1].check.category != result.check.category:
                output.line(result.check.category)
            results.append(result)
            for line in checklist.lines(result, output.mark):
                output.line(line)
        profile = target.topology.profile
    output.line(f"\nprofile {profile}: {checklist.summary(results)}")
    output.document(checklist.document(results, profile))
    return 0 if checklist.passed(results) else 1


def target_of(manifests: Path | None, data_dir: Path) -> AbstractContextManager[Target]:
    """Return the running system that is meant, on this machine or on a cluster."""
    if clusters.place().kubernetes:
        return remote.target(clusters.place(), manifests)
    from sumflow.verify import on_machine

    return nullcontext(on_machine.target(data_dir, manifests))
