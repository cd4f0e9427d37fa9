"""Faults are chosen by name, and planned by a seed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.chaos.faults import Choice, Fault, Kind, Offers, chosen, parse
from sumflow.chaos.plan import FIRST_AT_S, LENGTHS_S, QUIET_SHARE, plan
from sumflow.errors import UsageError

PROCESSES = ("adder-0", "adder-1", "adder-postgres-0", "kafka-0", "kafka-1")
OFFERS: Offers = {Kind.KILL: PROCESSES, Kind.FREEZE: PROCESSES, Kind.CUT: ("adder", "kafka-0"), Kind.DISK: ("all",)}


def test_nothing_said_is_everything() -> None:
    """Without a choice all that is offered may be broken."""
    assert {kind: set(targets) for kind, targets in chosen(OFFERS, ()).items()} == {
        kind: set(targets) for kind, targets in OFFERS.items()
    }


def test_a_family_is_all_of_its_copies_and_nothing_else() -> None:
    """`kill:adder` means adder-0 and adder-1, and not the adder's database."""
    assert chosen(OFFERS, parse("kill:adder")) == {Kind.KILL: ("adder-0", "adder-1")}


def test_choices_add_up() -> None:
    """Several parts of a list are all meant; a kind alone means all of its targets."""
    assert parse("kill, freeze:kafka-1") == (Choice(Kind.KILL), Choice(Kind.FREEZE, "kafka-1"))
    found = chosen(OFFERS, parse("kill,freeze:kafka-1"))
    assert found == {Kind.KILL: tuple(sorted(PROCESSES)), Kind.FREEZE: ("kafka-1",)}


@pytest.mark.parametrize("text", ["explode", "kill:zookeeper", "slow"])
def test_what_there_is_not_is_refused_with_what_there_is(text: str) -> None:
    """An unknown kind, an unknown target and a kind that is not offered are refused; the remedy names the others."""
    with pytest.raises(UsageError) as refused:
        chosen(OFFERS, parse(text))
    assert refused.value.remedy


@given(seed=st.integers(0, 10**6), duration_s=st.floats(5, 600))
def test_plans_keep_their_rules(seed: int, duration_s: float) -> None:
    """For any seed: the beginning and the end are quiet, lengths are in bounds, one fault at a time on one target."""
    faults = plan(OFFERS, seed, duration_s)
    assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))
    assert all(FIRST_AT_S <= one.at_s <= other.at_s for one, other in itertools.pairwise(faults))
    until_s: dict[str, float] = {}
    for fault in faults:
        least_s, most_s = LENGTHS_S[fault.kind]
        assert least_s <= fault.lasts_s <= most_s
        assert fault.ends_at_s <= duration_s * (1 - QUIET_SHARE) + 0.1
        assert fault.at_s >= until_s.get(fault.target, 0.0)
        assert fault.target in OFFERS[fault.kind]
        until_s[fault.target] = fault.ends_at_s


def test_a_seed_is_a_plan() -> None:
    """The same seed gives the same plan, another one another."""
    assert plan(OFFERS, 7, 60) == plan(OFFERS, 7, 60)
    assert plan(OFFERS, 7, 60) != plan(OFFERS, 8, 60)


def test_a_minute_has_room_for_every_kind() -> None:
    """Within a minute each kind has its turn at least once, whatever the seed, and kills most often."""
    everything = dict.fromkeys(Kind, PROCESSES)
    for seed in range(50):
        kinds = [fault.kind for fault in plan(everything, seed, 60)]
        assert set(kinds) == set(Kind)
        assert kinds.count(Kind.KILL) > kinds.count(Kind.DISK)


def test_nothing_offered_is_nothing_planned() -> None:
    """A target that offers nothing is only watched."""
    assert plan({}, 1, 60) == ()


def test_a_fault_reads_as_a_person_says_it() -> None:
    """Its text is kind and target."""
    assert str(Fault(1, Kind.STALL, "kafka-0", 2.0, 3.0)) == "stall kafka-0"
