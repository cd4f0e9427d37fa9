"""The picture is a picture: well formed, complete, and within its frame."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from sumflow.audit.findings import Report
from sumflow.chaos.book import Book, Sample
from sumflow.chaos.faults import Fault, Kind
from sumflow.chaos.picture import draw
from sumflow.chaos.verdict import Evidence, Happened, Outcome
from sumflow.drawing import rates


def _evidence(load_s: float, *happened: Happened) -> Evidence:
    book = Book("named-0", 1)
    for i in range(int(load_s * 10)):
        book.take(1)
        book.acknowledge(i / 10, i / 10 + 0.01, 1)
    samples = [Sample(i / 10, i, None if 20 < i < 30 else i) for i in range(int(load_s * 10) + 5)]
    return Evidence([book], Report(), Outcome({}, Report(), Report()), happened, samples, load_s=load_s)


def test_every_fault_is_a_band_with_its_name() -> None:
    """Each fault that was done is drawn, one that was not done is left out."""
    done = Happened(Fault(1, Kind.FREEZE, "kafka-0", 2.0, 1.5), 2.0, 3.5)
    moment = Happened(Fault(2, Kind.KILL, "relay-0", 5.0, 0.0), 5.0, 5.0)
    skipped = Happened(Fault(3, Kind.CUT, "adder", 6.0, 1.0), 6.0, not_done="it is not there")
    drawn = draw(_evidence(10.0, done, moment, skipped), "a run & more")
    root = ET.fromstring(drawn)  # noqa: S314 - it was written a line before
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"freeze kafka-0", "kill relay-0", "a run & more"} < set(texts)
    assert "cut adder" not in texts


def test_nothing_is_drawn_outside_the_frame() -> None:
    """All points of the lines lie within the picture, whatever the run was."""
    for load_s in (0.0, 0.4, 3.0, 60.0):
        drawn = draw(_evidence(load_s), "a run")
        width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn).groups())  # type: ignore[union-attr]
        for points in re.findall(r'points="([^"]*)"', drawn):
            for x, y in (map(float, point.split(",")) for point in points.split()):
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_a_rate_is_what_came_in_its_time() -> None:
    """Twenty by 0.4 s and thirty more by 0.9 s are 40/s and 60/s; a total that was not seen changes nothing."""
    assert rates([(0.1, 5), (0.4, 20), (0.9, 50)], 1.5, 0.5) == [(0.25, 40.0), (0.75, 60.0), (1.25, 0.0)]
