"""Acknowledgements in any order move the prefix over what is contiguous, and over nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sumflow.adder.lanes import Prefix


@given(st.integers(0, 1000), st.sets(st.integers(1, 60)).flatmap(lambda s: st.permutations(sorted(s))))
def test_the_prefix_ends_before_the_first_that_is_missing(start: int, order: list[int]) -> None:
    """Whatever the order, the end is the last seq below which everything is acknowledged."""
    prefix = Prefix(start)
    for seq in order:
        prefix.add(start + seq)
    missing = next(n for n in range(1, 100) if n not in order)
    assert prefix.end == start + missing - 1


@given(st.lists(st.integers(1, 20)))
def test_repeats_change_nothing(order: list[int]) -> None:
    """An acknowledgement that comes twice, or from before the start, moves nothing."""
    once, twice = Prefix(0), Prefix(0)
    for seq in order:
        once.add(seq)
        twice.add(seq)
        twice.add(seq)
    assert once.end == twice.end
    assert once._ahead == twice._ahead == {seq for seq in order if seq > once.end}, "what is passed is not remembered"
