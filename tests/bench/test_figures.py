"""What is said of rounds: medians and spreads, and ratios within each round."""

from __future__ import annotations

import pytest

from sumflow.bench.figures import Pair, Spread, Summary, percentile
from sumflow.bench.rounds import Effort, Measurement


def test_the_ratio_is_taken_within_each_round() -> None:
    """A machine that is three times slower in one round changes both numbers, and no ratio."""
    told = Summary.of([Pair(200, 100), Pair(66, 33), Pair(220, 110)])
    assert told.ratio == Spread(2.0, 2.0, 2.0)
    assert told.ours == Spread(200, 66, 220)
    assert told.document()["yardstick"] == {"median": 100, "least": 33, "greatest": 110}


def test_a_spread_is_median_least_and_greatest() -> None:
    """Of an even number of rounds the median is the mean of the middle two; of none there is nothing to say."""
    assert Spread.of([4, 1, 2, 3]) == Spread(2.5, 1, 4)
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1), (0.999, 100)]
)
def test_a_percentile_is_a_number_that_was_measured(share: float, expected: int) -> None:
    """Nearest rank: the smallest number that this share of all numbers does not exceed."""
    assert percentile(range(1, 101), share) == expected


def test_rounds_alternate_which_comes_first() -> None:
    """What changes slowly on the machine meets ours and the yardstick alike."""
    order: list[str] = []

    def taken(who: str, value: float) -> float:
        order.append(who)
        return value

    one = Measurement("m", "", "", "/s", lambda: taken("ours", 4.0), lambda: taken("yardstick", 2.0))
    assert [pair.ratio for pair in one.rounds(3)] == [2.0, 2.0, 2.0]
    assert order == ["ours", "yardstick", "yardstick", "ours", "ours", "yardstick"]


@pytest.mark.parametrize(("sums", "additions"), [(4_000, 4_000), (5_000, 4_000), (11_999, 8_000), (200_000, 200_000)])
def test_a_rate_is_taken_of_what_is_stored(sums: int, additions: int) -> None:
    """Only whole batches are sent, by ours and by the yardstick: what does not fill one is not counted either."""
    assert Effort(1.0, sums).additions == additions
