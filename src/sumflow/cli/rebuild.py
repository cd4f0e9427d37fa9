"""`sumflow rebuild`: the totals from the adder's database, after Kafka or the totalizer's database lost something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sumflow.cli import audit, clusters, units
from sumflow.cli.output import Output, common_options, confirmed, data_dir_option, examples
from sumflow.cli.verify import target_of

if TYPE_CHECKING:
    from sumflow.audit.facts import Books
    from sumflow.recovery.plan import Plan

_AHEAD_SHOWN: Final = 20


@click.command(
    epilog=examples(
        "sumflow rebuild --dry-run                what would change",
        "sumflow rebuild                          shows it, asks, does it, audits",
        "sumflow rebuild --yes --on kubernetes",
        "sumflow rebuild --take-back              after the adder's database was restored to an earlier moment",
    )
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option(
    "--take-back", is_flag=True, help="Also where the totalizer has counted more than the adder has: count it no more."
)
@clusters.place_options
@data_dir_option
@common_options
def rebuild(dry_run: bool, yes: bool, take_back: bool, data_dir: Path, output: Output) -> int:
    """Bring the totals back from the adder's database, then audit.

    For the loss of Kafka's records, of the topic or of the totalizer's database. The adder keeps number and sum of each
    lane for ever: they become the totals, in one transaction, while everything runs. Interrupted, nothing has changed;
    a second time changes nothing more. Exit code 1 says that the answer was no, or that the audit found something.
    """
    with target_of(None, data_dir) as target, target.books() as books:
        return _rebuild(books, output, data_dir, dry_run=dry_run, yes=yes, take_back=take_back)


def _rebuild(books: Books, output: Output, data_dir: Path, *, dry_run: bool, yes: bool, take_back: bool) -> int:
    from sumflow.audit.compare import compare
    from sumflow.recovery import rebuild as recovery

    found = recovery.preview(books)
    if dry_run or not yes:
        _show(found, output)
    if dry_run:
        output.document(document(found, done=False))
        return 0
    if found.ahead and not take_back:
        raise recovery.not_taken_back(found)
    if not yes and not _confirmed(data_dir):
        output.note("nothing was changed")
        return 1
    done = recovery.rebuild(books, take_back=take_back)
    report = compare(books.cut())
    output.line(f"rebuilt: total {done.after.sum} of {done.after.count:,}; the audit of it:")
    for line in audit.lines(report):
        output.line(line)
    output.document({**document(done, done=True), "audit": audit.document(report)})
    return 0 if report.clean else 1


def _confirmed(data_dir: Path) -> bool:
    question = f"Set the totals {clusters.place().named(data_dir)} to what the adder's database says?"
    return confirmed(question, "rebuilding", "say `sumflow rebuild --yes`; --dry-run shows more")


def _show(found: Plan, output: Output) -> None:
    for line in lines(found):
        output.line(line)


def document(found: Plan, *, done: bool) -> dict[str, Any]:
    """Write a plan for a program."""
    return {
        "done": done,
        "lanes": len(found.lanes),
        "differing": found.differing,
        "before": {"count": found.before.count, "sum": found.before.sum},
        "after": {"count": found.after.count, "sum": found.after.sum},
        "read_from": found.starts,
        "taken_back": [{"lane": str(a.lane), "read": a.read, "accepted": a.accepted} for a in found.ahead],
        "notes": list(found.notes),
    }


def lines(found: Plan) -> Iterator[str]:
    """Draw a plan for a person."""
    yield f"{units.plural(len(found.lanes), 'lane')} of the adder, {found.differing:,} of them counted otherwise"
    yield f"total   {found.before.sum} of {found.before.count:,} -> {found.after.sum} of {found.after.count:,}"
    yield "reading goes on from " + ", ".join(f"{partition}@{start}" for partition, start in found.starts.items())
    for each in found.ahead[:_AHEAD_SHOWN]:
        yield f"TAKEN BACK: {each.lane}: {each.read} were read, the adder has {each.accepted}"
    if len(found.ahead) > _AHEAD_SHOWN:
        yield f"and {len(found.ahead) - _AHEAD_SHOWN:,} more lanes"
    yield from found.notes
