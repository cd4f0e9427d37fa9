"""`sumflow add --file`: resumes what was interrupted, shows how it goes, and says in the end what it came to."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from sumflow.cli import pipeline, units
from sumflow.cli import progress as drawing
from sumflow.cli.output import Output
from sumflow.client import importing
from sumflow.client.endpoints import Endpoints
from sumflow.client.journal import FileIdentity, Journal, Progress, new_progress, open_journal
from sumflow.errors import SumflowError, UsageError

_IMPORT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for; `journals` is the directory of the import journals, `total` a name or empty."""

    file: Path
    rejects: Path | None
    restart: bool
    import_id: str | None
    give_up_after_s: float
    journals: Path
    total: str

    @property
    def is_stdin(self) -> bool:
        """Whether standard input is meant."""
        return str(self.file) == "-"


def add_file(request: Request, endpoints: Endpoints, output: Output) -> int:
    """Import a file or a stream; return 1 if a line was rejected or the total did not follow in time."""
    if request.is_stdin:
        return _from_stream(request, endpoints, output, sys.stdin.buffer, "standard input")
    identity = FileIdentity.of(request.file)
    _check_rejects(request)
    if identity is None or request.import_id is not None:
        with request.file.open("rb") as stream:
            return _from_stream(
                request, endpoints, output, stream, str(request.file), identity.size if identity else None
            )
    with open_journal(request.journals, identity, endpoints.system, request.total) as journal:
        return _from_file(request, endpoints, output, journal, identity)


def _from_file(request: Request, endpoints: Endpoints, output: Output, journal: Journal, identity: FileIdentity) -> int:
    progress, resumed = importing.begin(journal, new_progress(), restart=request.restart)
    if resumed:
        output.note(f"resuming at line {progress.next_line:,}, import {progress.import_id[:8]}")
    with importing.open_source(request.file, progress) as source:
        outcome = _run(request, endpoints, output, progress, source, journal, identity.size)
    if FileIdentity.of(request.file) != identity:
        output.note(f"{request.file} changed while it was read: what was read is counted, once")
    if outcome.total_after is None:
        output.note("the same command waits for the total; nothing is counted twice")
    else:
        journal.remove()
    return summarize(outcome, output, str(request.file), request.total)


def _from_stream(
    request: Request, endpoints: Endpoints, output: Output, source: BinaryIO, name: str, size: int | None = None
) -> int:
    """Send all of it: with an id of the caller's, the adder knows what it has, whatever its address is by now."""
    if request.restart:
        raise UsageError("--restart is for files that go on by themselves", remedy="give another --import-id instead")
    if request.import_id is not None and not _IMPORT_ID.fullmatch(request.import_id):
        raise UsageError(f"{request.import_id!r} is no import id", remedy="use 1 to 64 letters, digits, `.`, `_`, `-`")
    progress = Progress(import_id=request.import_id) if request.import_id else new_progress()
    outcome = _run(request, endpoints, output, progress, source, importing.Forgetful(), size)
    return summarize(outcome, output, name, request.total)


def _run(
    request: Request,
    endpoints: Endpoints,
    output: Output,
    progress: Progress,
    source: BinaryIO,
    memory: importing.Memory,
    size: int | None,
) -> importing.Outcome:
    job = importing.Import(source, endpoints, progress, memory, request.rejects, request.give_up_after_s, request.total)
    elsewhere = progress.import_id if endpoints.system else ""
    with _resumable(request, output, elsewhere), drawing.reporter(output, progress, size) as reporter:
        return importing.run(job, reporter)


@contextlib.contextmanager
def _resumable(request: Request, output: Output, elsewhere: str) -> Iterator[None]:
    """Say how an import goes on that stops here; `elsewhere` is its id if the system may come under another address."""
    stream = request.is_stdin or request.import_id is not None or not request.file.is_file()
    if stream and request.import_id is None:
        how = "a stream without --import-id cannot be resumed: what was accepted stays counted"
    elif stream:
        how = "send the same input again under the same --import-id: nothing is counted twice"
    else:
        how = "run the same command again: it goes on where it stopped, and nothing is counted twice"
        if elsewhere:
            how += f"; should the system's address be another by then, with --import-id {elsewhere}"
    try:
        yield
    except KeyboardInterrupt:
        output.note(f"interrupted; {how}")
        raise
    except SumflowError as error:
        error.remedy = f"{error.remedy}; then {how}" if error.remedy else how
        raise


def _check_rejects(request: Request) -> None:
    if request.rejects and request.rejects.exists() and request.rejects.samefile(request.file):
        raise UsageError("--rejects names the file that is read", remedy="give another file, it is replaced")


def summarize(outcome: importing.Outcome, output: Output, source: str, total: str = "") -> int:
    """Print what an import came to, and return its exit code."""
    progress = outcome.progress
    output.document(
        {
            "source": source,
            "accepted": progress.accepted,
            "rejected": progress.rejected,
            "added": int(progress.added),
            "name": total,
            "total_before": None if progress.total_before is None else int(progress.total_before),
            "total_after": outcome.total_after,
            "problem": outcome.problem or None,
            "first_rejected": [
                {"line": entry.line, "text": entry.text, "reason": entry.reason} for entry in progress.first_rejected
            ],
        }
    )
    for line in _summary(outcome, source, pipeline.label(total)):
        output.line(line)
    return 1 if progress.rejected or outcome.problem else 0


def _summary(outcome: importing.Outcome, source: str, label: str) -> Iterator[str]:
    progress = outcome.progress
    yield f"{source}: {progress.accepted:,} accepted, {progress.rejected:,} rejected"
    for entry in progress.first_rejected:
        yield f"  line {entry.line:,}: {entry.text!r}: {entry.reason}"
    if more := progress.rejected - len(progress.first_rejected):
        yield f"  and {units.plural(more, 'more line')}: --rejects FILE keeps them all"
    before = "?" if progress.total_before is None else progress.total_before
    if outcome.total_after is None:
        yield f"{label}   {before} -> not known: {outcome.problem}; what is accepted is stored and will be counted"
    else:
        yield f"{label}   {before} -> {outcome.total_after}   (this file: {int(progress.added):+d})"
