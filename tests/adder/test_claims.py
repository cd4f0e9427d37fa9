"""A relay takes its own lanes at once, strangers' lanes when two surveys found nobody publishing them."""

from __future__ import annotations

import uuid

from sumflow.adder.claims import Lane, choose


def lane(number: int, owner: str, *, claimed: bool = False) -> Lane:
    """A lane as a survey finds it."""
    return Lane(number, uuid.uuid4(), owner, last_seq=5, closed=False, claimed=claimed)


def test_own_lanes_are_taken_at_once() -> None:
    """The relay beside the adder does not wait."""
    choice = choose([lane(1, "me"), lane(2, "you")], "me", ())
    assert [found.number for found in choice.claim] == [1]
    assert choice.watch == {2}


def test_a_strangers_lane_is_taken_at_the_second_sight() -> None:
    """What nobody claimed between two surveys is adopted."""
    first = choose([lane(2, "you")], "me", ())
    second = choose([lane(2, "you")], "me", first.watch)
    assert [found.number for found in second.claim] == [2]
    assert second.watch == frozenset()


def test_a_claimed_lane_is_left_alone_and_its_sighting_forgotten() -> None:
    """A lane that was claimed in between must be seen unclaimed twice again."""
    watch = choose([lane(2, "you")], "me", ()).watch
    watch = choose([lane(2, "you", claimed=True)], "me", watch).watch
    assert choose([lane(2, "you")], "me", watch).claim == ()


def test_own_lanes_that_another_relay_publishes_are_left_to_it() -> None:
    """After an adoption the lane stays where it is."""
    assert choose([lane(1, "me", claimed=True)], "me", (1,)).claim == ()
