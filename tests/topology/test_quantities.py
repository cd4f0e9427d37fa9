"""Quantities are read as Kubernetes reads them, exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumflow.topology import quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", Fraction(1, 2)),
        ("2", Fraction(2)),
        (".5", Fraction(1, 2)),
        ("1Gi", Fraction(2**30)),
        ("0.5Gi", Fraction(2**29)),
        ("1G", Fraction(10**9)),
        ("1k", Fraction(1000)),
        ("1e3", Fraction(1000)),
        ("12E-1", Fraction(6, 5)),
        ("1E", Fraction(10**18)),
        ("8Ei", Fraction(2**63)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_known_quantities(text: str, value: Fraction) -> None:
    """Suffixes, binary suffixes, decimal points and exponents have Kubernetes' meaning."""
    assert quantities.parse(text) == value


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1gi", "1K", "0x10", "1e", "one", "1_000", "1Gi\n", "٣"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """Anything else raises, naming what was read."""
    with pytest.raises(ValueError, match="not a quantity"):
        quantities.parse(text)


@pytest.mark.parametrize("text", ["0.0005", "-1", "1.5m"])
def test_cpu_is_whole_millicores(text: str) -> None:
    """Kubernetes knows nothing finer than a thousandth of a core, and nothing below zero."""
    with pytest.raises(ValueError, match="CPU"):
        quantities.millicores(text)


@settings(deadline=None)
@given(st.integers(0, 2**60))
def test_bytes_survive(size: int) -> None:
    """A size in bytes, or in Ki, is read without rounding, however large."""
    assert quantities.size_bytes(str(size)) == size
    assert quantities.size_bytes(f"{size}Ki") == size * 1024
