"""Who gives way when the port is nearly full."""

from __future__ import annotations

from sumflow.adder.crowding import Connection, chosen


def _crowd(*silent_s: float) -> list[Connection]:
    return [Connection(i, ("127.0.0.1", i), each) for i, each in enumerate(silent_s)]


def test_nobody_gives_way_while_there_is_room() -> None:
    """Eight of ten places are not nearly all."""
    assert chosen(_crowd(*[100.0] * 8), 10, 5.0) == []


def test_the_longest_silent_give_way() -> None:
    """Of nine in ten places one goes, of ten two: those from whom nothing came for longest."""
    assert [each.silent_s for each in chosen(_crowd(9, 8, 7, 6, 30, 1, 2, 3, 4), 10, 5.0)] == [30]
    assert [each.silent_s for each in chosen(_crowd(9, 8, 7, 6, 30, 1, 2, 3, 4, 40), 10, 5.0)] == [40, 30]


def test_whoever_may_await_an_answer_stays() -> None:
    """Who spoke a moment ago is never ended, however crowded it is."""
    assert chosen(_crowd(*[1.0] * 10), 10, 5.0) == []
