"""`sumflow audit`: the proof that every accepted sum is counted exactly once, once or for as long as it is watched."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sumflow.cli import clusters, units
from sumflow.cli.output import Output, common_options, data_dir_option, examples, is_terminal
from sumflow.cli.statusline import StatusLine
from sumflow.cli.verify import target_of
from sumflow.errors import SumflowError

if TYPE_CHECKING:
    from sumflow.audit.facts import Books
    from sumflow.audit.findings import Report

_FIGURES: Final = {
    "outbox_events": "events in the outbox",
    "parked_events": "parked events compared with the outbox",
    "topic_records": "records of the topic",
    "topic_records_in_outbox": "records compared with the outbox",
    "topic_repeated": "records that repeat an event, which is counted once",
}


@click.command(
    epilog=examples(
        "sumflow audit",
        "sumflow audit --deep",
        "sumflow audit --watch --interval 5",
        "sumflow audit --on kubernetes",
        "sumflow audit --deep --json | jq '.findings[]'",
    )
)
@click.option(
    "--deep", is_flag=True, help="Look at every event in outbox, topic and totalizer, and name what is wrong."
)
@click.option("--watch", "-w", is_flag=True, help="Again and again, until something is wrong or Ctrl-C.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1, 86_400),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="The pause between two audits under --watch.",
)
@clusters.place_options
@data_dir_option
@common_options
def audit(deep: bool, watch: bool, interval_s: float, data_dir: Path, output: Output) -> int:
    """Prove from outside that every accepted sum is counted exactly once, also under load.

    Compares the adder's and the totalizer's database lane by lane, at a consistent cut. Sums that are on their way are
    lag, not loss. Exit code 1 says that something is lost, doubled, altered or held up.
    """
    with target_of(None, data_dir) as target, target.books() as books:
        if watch:
            return _watch(books, output, deep=deep, interval_s=interval_s)
        report = _once(books, output, deep=deep)
        for line in lines(report):
            output.line(line)
        output.document(document(report))
        return 0 if report.clean else 1


def _once(books: Books, output: Output, *, deep: bool) -> Report:
    from sumflow.audit.compare import compare

    report = compare(books.cut())
    if deep:
        with _progress(output) as progress:
            report.include(books.deep(progress))
    return report


def _watch(books: Books, output: Output, *, deep: bool, interval_s: float) -> int:
    """Audit until something is wrong; a database or broker that is away is waited for, it comes back."""
    while True:
        try:
            report = _once(books, output, deep=deep)
        except SumflowError as error:
            output.note(f"not audited: {error.why or error.what}")
        else:
            now = datetime.now().astimezone()
            output.document({"at": now.isoformat(), **document(report)})
            output.line(f"{now:%H:%M:%S}  {glance(report)}")
            if not report.clean:
                for line in lines(report):
                    output.line(line)
                return 1
        sys.stdout.flush()
        time.sleep(interval_s)


@contextmanager
def _progress(output: Output) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far the topic is read."""
    if output.as_json or not is_terminal(sys.stderr):
        yield lambda count: None
        return
    with StatusLine(sys.stderr) as status:
        yield lambda count: status.show(f"{count:,} records compared")


def document(report: Report) -> dict[str, Any]:
    """Write a report for a program."""
    return {
        "clean": report.clean,
        "lanes": report.lanes,
        "accepted": report.accepted,
        "counted": report.counted,
        "lag": report.lag,
        "unpublished": report.unpublished,
        "foreign": report.foreign,
        "parked": report.parked,
        "dead_letters": report.dead_letters,
        "total": report.total,
        "named_totals": report.named,
        "findings": [{"kind": str(f.kind), "subject": f.subject, "detail": f.detail} for f in report.findings],
        "more_findings": report.more,
        "events": report.figures,
        "notes": report.notes,
    }


def lines(report: Report) -> Iterator[str]:
    """Draw a report for a person."""
    yield f"{units.plural(report.lanes, 'lane')}: {report.accepted:,} accepted, {report.counted:,} counted"
    yield f"lag: {report.lag:,} on their way, {report.unpublished:,} of them not published yet"
    aside = [(report.foreign, "foreign counted"), (report.parked, "parked"), (report.dead_letters, "dead letters")]
    yield "beside the lanes: " + ", ".join(f"{count:,} {what}" for count, what in aside)
    if report.named:
        yield f"{report.named:,} named totals compared, each by itself"
    for name, count in report.figures.items():
        yield f"{_FIGURES[name]}: {count:,}"
    yield from report.notes
    for each in report.findings:
        yield f"{each.kind}: {each.subject}: {each.detail}"
    if report.more:
        yield f"and {report.more:,} more"
    yield glance(report)


def glance(report: Report) -> str:
    """Say in one line what a report comes to."""
    if report.clean:
        return f"exact: {report.counted + report.foreign:,} counted, {report.lag:,} on their way, total {report.total}"
    found = units.plural(len(report.findings) + report.more, "finding")
    return f"NOT EXACT: {found}; see docs/troubleshooting.md#the-audit-finds-a-difference"
