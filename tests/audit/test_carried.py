"""A topic that is read somewhere else is audited as one that is read here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from sumflow.audit import carried
from sumflow.audit.carried import CarriedRecord
from sumflow.audit.facts import Extent
from sumflow.audit.findings import Kind, Report
from sumflow.audit.records import Reading, Records
from sumflow.errors import NotRunningError, SumflowError
from sumflow.sums.event import LANE_HEADER, SEQ_HEADER, LaneEncoder
from tests.audit.scene import Scene, named

FULL = CarriedRecord(2, 1 << 40, b"key", b"\x00\xff", [("lane", b"\xfe"), ("lane", None), ("seq", b"")])
WITHIN = {0: Extent(0, 7), 5: Extent(1 << 40, 1 << 41)}
WHEN = "2026-01-02T03:04:05.678901Z"
BARE = CarriedRecord(0, 0, None, None, None)


@dataclass
class Pipe:
    """The other side, in this process: it answers as soon as it is asked."""

    answers: Iterator[bytes]
    piece: int = 1 << 20
    """So many bytes at most are heard at once."""
    limit: int | None = None
    """After so many pieces the pipe ends."""
    heard: int = 0
    asked: int = 0
    coming: bytes = b""

    def ask(self, word: bytes) -> None:
        """Be asked, and answer."""
        assert word == b"\n"
        self.asked += 1
        self.coming += next(self.answers)

    def hear(self) -> bytes:
        """Return the next bytes."""
        if self.limit is not None and self.heard == self.limit:
            raise SumflowError("the other side ended")
        self.heard += 1
        piece, self.coming = self.coming[: self.piece], self.coming[self.piece :]
        assert piece
        return piece


def _answers(*batches: list[CarriedRecord]) -> Iterator[bytes]:
    return carried.answers(Reading(WITHIN, iter(batches)))


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_batches_come_as_they_were_sent(piece: int) -> None:
    """Absent keys, values and headers stay absent, bytes are bytes, in pieces of any size."""
    pipe = Pipe(_answers([FULL, BARE], [BARE]), piece)
    received = carried.receive(pipe.ask, pipe.hear)
    assert received.within == WITHIN
    assert list(received.batches) == [[FULL, BARE], [BARE]]


def test_no_more_than_what_was_asked_for_is_on_its_way() -> None:
    """The next batch is asked for when the one before is done with."""
    pipe = Pipe(_answers([FULL], [BARE]))
    batches = carried.receive(pipe.ask, pipe.hear).batches
    assert pipe.asked == 1
    next(batches)
    assert pipe.asked == 2
    next(batches)
    assert pipe.asked == 3


@pytest.mark.parametrize("limit", [0, 2, 4, 9, 25, 30, 60])
def test_a_pipe_that_ends_early_is_no_end(limit: int) -> None:
    """Records that did not come are not taken for records that are not there."""
    pipe = Pipe(_answers([FULL]), piece=1, limit=limit)
    with pytest.raises(SumflowError):
        list(carried.receive(pipe.ask, pipe.hear).batches)


def test_what_partitions_hold_goes_through_a_command_line() -> None:
    """Written and read again."""
    assert carried.held_of(carried.places(WITHIN)) == WITHIN


@contextmanager
def _elsewhere(scene: Scene, held: Mapping[int, Extent]) -> Iterator[Reading]:
    """Read a topic by the command that runs in pods."""
    words = ["records", "--bootstrap", scene.original.kafka, scene.topic, *carried.places(held)]
    command = [sys.executable, "-m", "sumflow", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as there:
        assert there.stdin is not None
        assert there.stdout is not None
        stdin, stdout = there.stdin, there.stdout

        def ask(word: bytes) -> None:
            stdin.write(word)
            stdin.flush()

        def hear() -> bytes:
            # 1 byte at least, and what else is there
            if not (heard := stdout.read1()):  # type: ignore[attr-defined]
                raise SumflowError("the command ended")
            return bytes(heard)

        yield carried.receive(ask, hear)
        stdin.close()
        assert there.wait(20) == 0


def _deep(scene: Scene, read: Callable[[Mapping[int, Extent]], Records]) -> Report:
    return replace(scene.books(), records=read).deep(lambda count: None)


@pytest.mark.integration
def test_a_topic_that_is_read_elsewhere_is_audited_like_one_that_is_read_here(copy: Scene) -> None:
    """All records are compared, and a forged one is named by its place."""
    value = LaneEncoder(copy.lane).encode(17, 18, 7, WHEN, WHEN)
    copy.send(value, [(LANE_HEADER, str(copy.lane).encode()), (SEQ_HEADER, b"17")], copy.partition())
    here, elsewhere = copy.books().deep(lambda count: None), _deep(copy, lambda held: _elsewhere(copy, held))
    assert (Kind.ALTERED, copy.at(17)) in named(elsewhere)
    assert (elsewhere.figures, named(elsewhere), elsewhere.notes) == (here.figures, named(here), here.notes)


@pytest.mark.integration
def test_where_nobody_can_read_the_topic_the_databases_are_compared_and_it_is_said(copy: Scene) -> None:
    """No pod of a service runs: the report has a note, and the outbox's figures."""

    def nobody(held: Mapping[int, Extent]) -> Records:
        raise NotRunningError("no pod of a service runs")

    report = _deep(copy, nobody)
    assert report.figures["outbox_events"] == 80
    assert report.notes == [f"the records of {copy.topic} were not read: no pod of a service runs"]
