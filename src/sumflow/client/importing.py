"""Imports a file of numbers: reads, sends, notes what is confirmed, and waits until the total includes it all.

The import is a loop over confirmed batches. What the reader, the stream and the journal do is theirs; here is only
the order in which it happens, and that order is what makes an interruption harmless.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from msgspec.structs import replace

from sumflow.client.bulk import BulkAdder
from sumflow.client.endpoints import Endpoints
from sumflow.client.journal import LISTED_REJECTIONS, Journal, Progress, RejectedLine
from sumflow.client.lines import blocks
from sumflow.client.numbers import Batch, parse
from sumflow.client.totals import Totals
from sumflow.errors import SumflowError, UsageError
from sumflow.sums.sum_pb2 import SumBatchResponse

_JOURNAL_INTERVAL_S: Final = 0.5
_STILL_AT_MOST_S: Final = 60.0
"""The total may stand still for this long before the wait for it ends; as long as it moves, it is waited for."""
_UNNOTICED_S: Final = 1.0
_ASK_AGAIN_S: Final = 5.0


class ImportReporter(Protocol):
    """Hears how an import goes; the command line draws it, a test records it."""

    def moved(self, progress: Progress) -> None:
        """Hear that a batch is confirmed."""

    def waiting(self, reason: str) -> None:
        """Hear why nothing moves."""


class Memory(Protocol):
    """Where the progress is kept: a journal, or nowhere for standard input."""

    def save(self, progress: Progress) -> None:
        """Keep the progress."""


class Forgetful:
    """Keeps nothing: standard input is sent again from its beginning, under the same --import-id."""

    def save(self, progress: Progress) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: where from, where to, and how far it has come.

    Args:
        source: the bytes, standing at the progress' offset.
        endpoints: the pipeline.
        progress: how far it has come.
        memory: keeps the progress.
        rejects: a file that gets every rejected line, or None.
        give_up_after_s: how long nothing may be confirmed, in seconds.
        total: the name of the total that all of it counts in; empty for the one total.
    """

    source: BinaryIO
    endpoints: Endpoints
    progress: Progress
    memory: Memory
    rejects: Path | None = None
    give_up_after_s: float = 60.0
    total: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import came to; `total_after` is None if the total did not include it in time, `problem` says why."""

    progress: Progress
    total_after: int | None
    problem: str = ""


def run(job: Import, reporter: ImportReporter) -> Outcome:
    """Carry an import out; raise SumflowError when it has to stop, resumable where the memory is a journal."""
    progress = job.progress
    if progress.total_before is None:
        progress = replace(progress, total_before=_total_before(job.endpoints, job.total))
    # The id is on disk before anything is sent under it: a crash from here on resumes, and never counts twice.
    job.memory.save(progress)
    progress = _store(job, progress, reporter)
    return await_counted(job.endpoints, progress, reporter, job.total)


def _store(job: Import, progress: Progress, reporter: ImportReporter) -> Progress:
    bulk = BulkAdder(
        job.endpoints.adder,
        progress.import_id,
        give_up_after_s=job.give_up_after_s,
        on_wait=reporter.waiting,
        total=job.total,
    )
    saved_at = time.monotonic()
    with _Rejects(job.rejects, progress.rejects_size) as rejects:
        try:
            for batch, answer in bulk.store(_batches(job.source, progress)):
                rejected = rejections(batch, answer)
                progress = confirmed(progress, batch, answer, rejected, rejects_size=rejects.write(rejected))
                reporter.moved(progress)
                if time.monotonic() - saved_at >= _JOURNAL_INTERVAL_S:
                    job.memory.save(progress)
                    saved_at = time.monotonic()
        finally:
            job.memory.save(progress)
    return progress


def await_counted(endpoints: Endpoints, progress: Progress, reporter: ImportReporter, total: str = "") -> Outcome:
    """Wait until the total includes everything that was accepted, for as long as the total moves."""
    with Totals(endpoints.totalizer_url) as totals:
        for lane, seq in progress.positions.items():
            if problem := _await_position(totals, f"{lane}:{seq}", reporter, total):
                return Outcome(progress, None, problem)
        try:
            return Outcome(progress, totals.so_far(total))
        except SumflowError as error:
            return Outcome(progress, None, error.what)


def _await_position(totals: Totals, position: str, reporter: ImportReporter, total: str) -> str | None:
    """Return None once the total includes the position, or why it does not after a time without any movement."""
    before, still_since, problem = None, time.monotonic(), ""
    within_s = _UNNOTICED_S
    while time.monotonic() - still_since < _STILL_AT_MOST_S:
        try:
            if totals.including(position, within_s, total) is not None:
                return None
            now: int | None = totals.so_far(total)
            problem = f"the total does not include it, and has not moved for {_STILL_AT_MOST_S:.0f} s"
        except SumflowError as error:
            now, problem = before, error.what
            time.sleep(_UNNOTICED_S)
        if now != before:
            before, still_since = now, time.monotonic()
        reporter.waiting(f"the total to include it (now {now})" if now is not None else problem)
        within_s = _ASK_AGAIN_S
    return problem


def _batches(source: BinaryIO, progress: Progress) -> Iterator[Batch]:
    header_open = progress.header_open
    for block in blocks(source, first_line=progress.next_line, offset=progress.offset):
        batch = parse(block, header_open=header_open)
        header_open = batch.header_open
        yield batch


def rejections(batch: Batch, answer: SumBatchResponse) -> list[RejectedLine]:
    """Put together the lines that were refused here and those that the adder refused, in the file's order."""
    early = [RejectedLine(entry.line, entry.text, entry.reason) for entry in batch.rejections]
    late = [
        RejectedLine(batch.line_numbers[entry.index], f"{batch.x[entry.index]},{batch.y[entry.index]}", entry.reason)
        for entry in answer.rejected
    ]
    return sorted(early + late, key=lambda entry: entry.line)


def confirmed(
    progress: Progress,
    batch: Batch,
    answer: SumBatchResponse,
    rejected: Sequence[RejectedLine],
    *,
    rejects_size: int = 0,
) -> Progress:
    """Return the progress after one batch's answer."""
    refused = sum(batch.x[entry.index] + batch.y[entry.index] for entry in answer.rejected)
    return replace(
        progress,
        next_line=batch.next_line,
        offset=batch.end_offset,
        header_open=batch.header_open,
        accepted=progress.accepted + answer.accepted,
        rejected=progress.rejected + len(rejected),
        added=str(int(progress.added) + sum(batch.x) + sum(batch.y) - refused),
        first_rejected=(*progress.first_rejected, *rejected)[:LISTED_REJECTIONS],
        rejects_size=rejects_size,
        positions=progress.with_position(answer.position),
    )


def _total_before(endpoints: Endpoints, total: str) -> str | None:
    try:
        with Totals(endpoints.totalizer_url) as totals:
            return str(totals.so_far(total))
    except SumflowError:
        return None  # Adding does not need the totalizer; the summary leaves the figure out.


class _Rejects:
    """The file of --rejects: one line of text per rejected line, cut back to what the journal knows on resuming."""

    def __init__(self, path: Path | None, size: int) -> None:
        self._path = path
        with self._clear_errors():
            self._file = path and path.open("ab")
            if self._file:
                self._file.truncate(min(size, self._file.tell()))

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            self._file.close()

    def write(self, rejected: Iterable[RejectedLine]) -> int:
        """Append rejected lines; return the file's size; raise SumflowError if it cannot be written."""
        if not self._file:
            return 0
        with self._clear_errors():
            for entry in rejected:
                self._file.write(f"{entry.line}\t{entry.text}\t{entry.reason}\n".encode("utf-8", "surrogateescape"))
            self._file.flush()
        return self._file.tell()

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot write {self._path}: {error.strerror}", remedy="name another --rejects") from error


def open_source(path: Path, progress: Progress) -> BinaryIO:
    """Open a file where its import goes on."""
    file = path.open("rb")
    file.seek(progress.offset)
    return file


def begin(journal: Journal, fresh: Progress, *, restart: bool) -> tuple[Progress, bool]:
    """Return the progress to go on from, and whether an earlier import is resumed."""
    if restart:
        journal.remove()
    earlier = journal.resume()
    return (fresh, False) if earlier is None else (earlier, True)
