"""Figures as people read them."""

from __future__ import annotations

import pytest

from sumflow.cli import units


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (12_595, "12.3 KiB"),
        (370 * 2**20, "370 MiB"),
        (1_300_000_000, "1.2 GiB"),
        (2**20 - 1, "1.0 MiB"),
    ],
)
def test_sizes_have_three_figures_and_a_unit(count: int, text: str) -> None:
    """Bytes are whole, larger units have at most three figures, and rounding never gives 1024 of a unit."""
    assert units.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.254, "0.25 s"),
        (9.999, "10.0 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 0 s"),
        (245, "4 min 5 s"),
        (3 * 3600 + 20 * 60, "3 h 20 min"),
        (2 * 86400 + 5 * 3600, "2 d 5 h"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """Short times have fractions, long ones their two largest units."""
    assert units.duration(seconds) == text


def test_columns_are_aligned_and_lines_end_where_their_text_ends() -> None:
    """Text stands left, figures stand right, no line has trailing blanks."""
    rows = [("NAME", "PID", "WHAT"), ("a", "7", ""), ("longer", "1234", "x")]
    assert units.table(rows, frozenset({1})) == ["NAME     PID  WHAT", "a          7", "longer  1234  x"]
