"""`sumflow doctor`: what would stop an `up`, before it is tried."""

from __future__ import annotations

from pathlib import Path

import click

from sumflow.cli import units
from sumflow.cli.output import Output, common_options, data_dir_option, examples


@click.command(epilog=examples("sumflow doctor", "sumflow doctor --profile spec"))
@click.option("--profile", default="dev", show_default=True, metavar="NAME", help="dev, kraft or spec.")
@click.option("--port-base", type=click.IntRange(1024, 65000), metavar="N", help="As for `up`.")
@data_dir_option
@common_options
def doctor(profile: str, port_base: int | None, data_dir: Path, output: Output) -> int:
    """Say what would stop an `up`, and the remedy.

    Nothing is changed and nothing is fetched. Exit code 1 says that something would stop it.
    """
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
    output.line()
    output.line("nothing would stop `sumflow up`" if fine else "this would stop `sumflow up`")
    return 0 if fine else 1
