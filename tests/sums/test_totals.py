"""Which texts can name a total, and how additions are tallied under names."""

from __future__ import annotations

import pytest

from sumflow.sums.totals import MAX_NAME_BYTES, Tallies, Tally, flaw_of, tally


@pytest.mark.parametrize("name", ["", "rent", "a/b ?#%", "Größe 7", "x" * 128, "é" * 64, "...", " ", '{"a","b"}'])
def test_what_can_be_kept_and_asked_for_is_a_name(name: str) -> None:
    """Any text of at most 128 bytes names a total; the empty one is that of the contract."""
    assert flaw_of(name) is None


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        ("x" * 129, "129"),
        ("é" * 65, "130"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("\x7f", "control"),
        ("\x85", "control"),
        ("\udcff", "control"),
        (".", "no URL"),
        ("..", "no URL"),
    ],
)
def test_what_cannot_is_refused_with_its_reason(name: str, flaw: str) -> None:
    """The limit counts bytes; what no database, terminal or path can carry names nothing."""
    assert flaw in (flaw_of(name) or "")
    assert MAX_NAME_BYTES == 128


def test_a_tally_is_exact() -> None:
    """Counts and sums add up name by name, beyond 64 bits."""
    tallies: Tallies = {}
    for name, count, value in [("a", 1, 2**63), ("b", 2, -5), ("a", 3, 2**63)]:
        tally(tallies, name, count, value)
    assert tallies == {"a": Tally(4, 2**64), "b": Tally(2, -5)}
