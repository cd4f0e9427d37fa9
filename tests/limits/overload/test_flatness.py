"""The rule for flat memory, and the picture: a leak is found, a saw-tooth is none."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from tests.limits.overload.flatness import Sample, growths
from tests.limits.overload.picture import draw
from tests.limits.overload.watching import waiting

MIB = 1 << 20


def _seen(memory: Callable[[int], float], phase: str = "overload") -> list[Sample]:
    """Two minutes in which a million sums come in each ten seconds."""
    return [
        Sample(float(i), phase, 100_000 * i, 90_000 * i, {"adder-0": int(MIB * memory(i))}, {"adder": 20_000.0})
        for i in range(120)
    ]


def test_a_leak_is_found() -> None:
    """Half a MiB a second is 60 MiB in two minutes, and 5 MiB for each million sums."""
    (growth,) = growths(_seen(lambda i: 100 + i / 2), "overload")
    assert not growth.is_flat
    assert growth.per_million == pytest.approx(5 * MIB, rel=1e-3)


def test_a_saw_tooth_and_a_peak_are_no_leak() -> None:
    """What comes and goes does not count, nor what another phase took."""
    (growth,) = growths([*_seen(lambda i: 900.0, "warm-up"), *_seen(lambda i: 100 + 80 * (i % 5 == 0))], "overload")
    assert (growth.is_flat, growth.first) == (True, 100 * MIB)


def test_a_phase_without_quarters_is_an_error() -> None:
    """Seven samples say nothing."""
    with pytest.raises(ValueError, match="no quarters"):
        growths(_seen(lambda i: 1)[:7], "overload")


def test_the_picture_has_its_panels_phases_and_lines() -> None:
    """Each phase is named, each process and queue has a line, all within the frame."""
    drawn = draw([*_seen(lambda i: 50, "warm-up"), *_seen(lambda i: 100)], "a run")
    root = ET.fromstring(drawn)  # noqa: S314 - it was written a line before
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"warm-up", "overload", "adder-0", "adder", "accepted", "counted"} < texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 4


def test_a_queue_is_read_from_a_page_of_metrics() -> None:
    """The sum over all labels; other metrics are not counted."""
    page = '# TYPE lag gauge\nlag{partition="0"} 3.0\nlag{partition="1"} 4.0\n# TYPE other gauge\nother 9.0\n'
    assert waiting(page, "lag") == 7.0
