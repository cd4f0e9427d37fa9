"""`sumflow verify`: the specification's checklist, live."""

from __future__ import annotations

from pathlib import Path

import click

from sumflow.cli.output import Output, common_options, data_dir_option, examples


@click.command(
    epilog=examples("sumflow verify", "sumflow verify --json | jq '.checks[] | select(.result != \"passed\")'")
)
@click.option(
    "--manifests",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="The directory k8s that the system was started from, if not the installed one.",
)
@data_dir_option
@common_options
def verify(manifests: Path | None, data_dir: Path, output: Output) -> int:
    """Run the specification's testing checklist against the running system.

    Each line says what was looked at, what came of it and how that was seen; a failure says what to do. A test
    message and a sum are sent; neither changes the total. Exit code 1 says that a check failed.
    """
    from sumflow.cli import checklist
    from sumflow.verify import infrastructure, on_machine, pipeline
    from sumflow.verify.check import Result, run_all

    target = on_machine.target(data_dir, manifests)
    results: list[Result] = []
    for result in run_all([*infrastructure.checks(target), *pipeline.checks(target)]):
        if not results or results[-1].check.category != result.check.category:
            output.line(result.check.category)
        results.append(result)
        for line in checklist.lines(result, output.mark):
            output.line(line)
    output.line(f"\nprofile {target.topology.profile}: {checklist.summary(results)}")
    output.document(checklist.document(results, target.topology.profile))
    return 0 if checklist.passed(results) else 1
