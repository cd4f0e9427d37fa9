"""The consumer's decisions on recorded histories, crashes and late answers included, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from sumflow.totalizer import machine
from sumflow.totalizer.machine import (
    Action,
    Assigned,
    CheckFailed,
    CheckTopic,
    Committed,
    Consuming,
    Event,
    Fetch,
    Halted,
    Idle,
    Joining,
    Leave,
    LookUp,
    MustHalt,
    Positioned,
    Positioning,
    Release,
    Revoked,
    State,
    StopFetching,
    Stopped,
    StopRequested,
    TellKafka,
    Tick,
    TopicFits,
    Trouble,
    decide,
)
from sumflow.totalizer.positions import Halt

BOTH = frozenset({0, 1})
HALT = Halt("retention has taken some", "rebuild")


@dataclass
class History:
    """A machine that is told events, and the time."""

    state: State = field(default_factory=lambda: State(check_topic_at_s=1e9))
    now_s: float = 100.0

    def tell(self, *events: Event) -> list[Action]:
        """Tell events; return all that is to be done."""
        todo: list[Action] = []
        for event in events:
            self.state, actions = decide(self.state, event, self.now_s)
            todo.extend(actions)
        return todo

    def after(self, seconds: float) -> list[Action]:
        """Let time pass."""
        self.now_s += seconds
        return self.tell(Tick())


def reading(positions: Mapping[int, int] | None = None) -> History:
    """Return a machine that reads."""
    history = History()
    history.tell(Assigned(BOTH), Tick(), Positioned(positions or {0: 5, 1: 7}))
    return history


def test_nothing_is_fetched_before_the_positions_are_known() -> None:
    """An assignment leads to a look-up, its answer to fetching from exactly there."""
    history = History()
    assert history.tell(Assigned(BOTH)) == [StopFetching()]
    assert history.tell(Tick()) == [LookUp(BOTH)]
    assert history.tell(Positioned({0: 5, 1: 7})) == [Fetch({0: 5, 1: 7})]


def test_a_commit_moves_the_positions_of_its_partitions() -> None:
    """The next compare-and-set expects what this commit set; Kafka is told afterwards."""
    history = reading()
    assert history.tell(Committed({1: 9})) == [TellKafka({1: 9})]
    assert history.state.phase == Consuming({0: 5, 1: 9})


def test_after_any_trouble_the_database_says_where_to_go_on() -> None:
    """A commit of unknown outcome, a lost compare-and-set, a lost connection: stop, look up, fetch from there."""
    history = reading()
    assert history.tell(Trouble("connection lost in COMMIT")) == [StopFetching()]
    assert history.tell(Tick()) == [LookUp(BOTH)]
    assert history.tell(Positioned({0: 6, 1: 7})) == [Fetch({0: 6, 1: 7})]


def test_a_database_that_stays_away_is_asked_less_and_less_often() -> None:
    """The waits grow up to their limit, and only a commit makes them short again."""
    history = reading()
    history.tell(Trouble("away"))
    waits = []
    for _ in range(10):
        assert isinstance(history.state.phase, Positioning)
        waits.append(round(history.state.phase.not_before_s - history.now_s, 3))
        assert not waits[-1] or history.after(waits[-1] / 2) == []
        assert history.after(waits[-1]) == [LookUp(BOTH)]
        history.tell(Trouble("away"))
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    history.after(machine.RETRY_LIMIT_S)
    history.tell(Positioned({0: 5, 1: 7}), Trouble("the same batch fails again"))
    assert isinstance(history.state.phase, Positioning)
    assert history.state.phase.not_before_s == history.now_s + machine.RETRY_LIMIT_S
    history.after(machine.RETRY_LIMIT_S)
    history.tell(Positioned({0: 5, 1: 7}), Committed({0: 6}), Trouble("another"))
    assert history.state.phase.not_before_s == history.now_s


def test_a_rebalance_in_the_middle_makes_late_answers_void() -> None:
    """Positions that were looked up for other partitions are not used."""
    history = History()
    history.tell(Assigned(BOTH), Tick(), Revoked(), Assigned(frozenset({2})))
    assert history.tell(Positioned({0: 5, 1: 7})) == []
    assert history.tell(Tick()) == [LookUp(frozenset({2}))]


def test_a_commit_that_ends_after_a_revocation_is_not_told_to_kafka() -> None:
    """The partition may have another reader already."""
    history = reading()
    assert history.tell(Revoked()) == [Release()]
    assert history.tell(Committed({0: 6})) == []
    assert history.state.phase == Idle()


def test_a_halt_fetches_nothing_and_looks_again_slowly() -> None:
    """It ends by itself when the situation is repaired, and never by a reset."""
    history = reading()
    assert history.tell(MustHalt(HALT)) == [StopFetching()]
    assert history.after(machine.RECHECK_HALT_S / 2) == []
    assert history.after(machine.RECHECK_HALT_S) == [LookUp(BOTH)]
    assert history.tell(MustHalt(HALT)) == [StopFetching()]
    assert isinstance(history.state.phase, Halted)
    history.after(machine.RECHECK_HALT_S)
    assert history.tell(Trouble("the database is away too")) == []
    assert isinstance(history.state.phase, Halted)
    assert history.after(machine.RECHECK_HALT_S) == [LookUp(BOTH)]
    assert history.tell(Positioned({0: 5, 1: 7})) == [Fetch({0: 5, 1: 7})]


def test_a_halt_outlives_the_assignment() -> None:
    """When the topic is deleted the group takes its partitions; the reason must not go with them."""
    history = reading()
    history.tell(MustHalt(HALT), Revoked())
    halted: object = history.state.phase
    assert halted == Halted(HALT, history.now_s + machine.RECHECK_HALT_S)
    assert history.after(machine.RECHECK_HALT_S) == [CheckTopic()]
    assert history.tell(TopicFits()) == [StopFetching()]
    assert isinstance(history.state.phase, Idle)


def test_the_topic_is_looked_at_regularly() -> None:
    """Also before the group answers; that it could not be looked at changes nothing."""
    history = History(State())
    assert history.tell(Tick()) == [CheckTopic()]
    assert history.tell(CheckFailed(), Tick()) == []
    assert history.after(machine.CHECK_TOPIC_S) == [CheckTopic()]
    assert history.tell(TopicFits()) == []
    assert history.state.phase == Joining()


def test_a_totalizer_without_partitions_is_idle() -> None:
    """Others have them all; there is nothing to look up."""
    history = History()
    assert history.tell(Assigned(frozenset())) == [StopFetching()]
    assert history.state.phase == Idle()
    assert history.tell(Tick()) == []


def test_stopping_is_final() -> None:
    """Whatever still comes while the group is left, nothing is done any more."""
    history = reading()
    assert history.tell(StopRequested()) == [StopFetching(), Leave()]
    assert history.tell(Revoked(), Assigned(BOTH), Tick(), Committed({0: 9}), MustHalt(HALT)) == []
    assert history.state.phase == Stopped()


EVENTS: st.SearchStrategy[Event] = st.sampled_from(
    [
        Assigned(BOTH),
        Assigned(frozenset({1})),
        Assigned(frozenset()),
        Revoked(),
        Positioned({0: 5, 1: 7}),
        Positioned({1: 7}),
        MustHalt(HALT),
        TopicFits(),
        CheckFailed(),
        Committed({1: 8}),
        Trouble("away"),
        Tick(),
    ]
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 20)), max_size=40))
def test_what_is_fetched_is_always_what_was_looked_up_for_these_partitions(steps: list[tuple[Event, float]]) -> None:
    """In every history: who reads has positions of exactly the assigned partitions, and fetching began with them."""
    history, fetching = History(), False
    for event, seconds in steps:
        history.now_s += seconds
        for action in history.tell(event):
            fetching = isinstance(action, Fetch) if isinstance(action, Fetch | StopFetching | Release) else fetching
        phase = history.state.phase
        assert fetching == isinstance(phase, Consuming)
        if isinstance(phase, Consuming):
            assert phase.positions.keys() == history.state.partitions
        if isinstance(phase, Positioning):
            assert history.state.partitions
            assert phase.not_before_s <= history.now_s + machine.RETRY_LIMIT_S
