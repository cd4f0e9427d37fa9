"""`sumflow doctor`: what would stop an `up` or a `deploy`, before it is tried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sumflow.cli import clusters, units
from sumflow.cli.output import Output, common_options, data_dir_option, examples

if TYPE_CHECKING:
    from sumflow.cluster.bringup import Options

DEFAULT_ON_MACHINE: Final = "dev"
DEFAULT_ON_KUBERNETES: Final = "spec"


@click.command(
    epilog=examples(
        "sumflow doctor",
        "sumflow doctor --profile spec",
        "sumflow doctor --on kubernetes --profile kraft          what would stop a deploy",
    )
)
@click.option("--profile", metavar="NAME", help="spec, kraft or dev; by default dev here and spec on a cluster.")
@click.option("--port-base", type=click.IntRange(1024, 65000), metavar="N", help="As for `up`.")
@click.option("--image", metavar="REF", help="As for `deploy`.")
@click.option(
    "--strimzi-manifest", type=click.Path(path_type=Path, exists=True), metavar="FILE|DIR", help="As for `deploy`."
)
@clusters.place_options
@data_dir_option
@common_options
def doctor(
    profile: str | None,
    port_base: int | None,
    image: str | None,
    strimzi_manifest: Path | None,
    data_dir: Path,
    output: Output,
) -> int:
    """Say what would stop an `up` or a `deploy`, and the remedy.

    Nothing is changed, and on this machine nothing is fetched; for a cluster Strimzi's install files are brought into
    the cache. Exit code 1 says that something would stop it.
    """
    if (where := clusters.place()).kubernetes:
        options = clusters.options(profile or DEFAULT_ON_KUBERNETES, None, strimzi_manifest, image)
        return _of_cluster(where, options, output)
    return _of_machine(profile or DEFAULT_ON_MACHINE, port_base, data_dir, output)


def _of_machine(profile: str, port_base: int | None, data_dir: Path, output: Output) -> int:
    import msgspec

    from sumflow.local import facade
    from sumflow.local.options import UpOptions

    findings = facade.diagnose(UpOptions.of(profile, data_dir=data_dir, port_base=port_base))
    fine = all(finding.ok for finding in findings)
    output.document({"ok": fine, "findings": msgspec.to_builtins(findings)})
    rows = units.table([(finding.subject, finding.seen) for finding in findings])
    for finding, row in zip(findings, rows, strict=True):
        output.line(f"{output.mark('passed' if finding.ok else 'failed')} {row}")
        if not finding.ok:
            output.line(f"       remedy: {finding.remedy}")
    return _verdict(fine, "sumflow up", output)


def _of_cluster(where: clusters.Place, options: Options, output: Output) -> int:
    from sumflow.cluster import bringup

    deployment = bringup.prepare(where.connect(), options)
    findings = bringup.examine(deployment)
    fine = not any(finding.fatal for finding in findings)
    told = [{"what": f.what, "why": f.why, "remedy": f.remedy, "ok": not f.fatal} for f in findings]
    output.document({"ok": fine, "findings": told})
    for finding in findings:
        output.line(f"{output.mark('failed' if finding.fatal else 'not applicable')} {finding.what}")
        for line in [*finding.why.splitlines(), *([f"remedy: {finding.remedy}"] if finding.remedy else [])]:
            output.line(f"       {line}")
    return _verdict(fine, f"sumflow deploy --profile {options.profile}", output)


def _verdict(fine: bool, command: str, output: Output) -> int:
    output.line()
    output.line(f"nothing would stop `{command}`" if fine else f"this would stop `{command}`")
    return 0 if fine else 1
