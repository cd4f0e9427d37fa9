"""The supervisor's decisions, on histories that include crashes; the clock is a number."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.local.lifecycle import (
    LAST_BACKOFF_ONCE_READY_S,
    LAST_BACKOFF_S,
    STABLE_AFTER_S,
    Action,
    Event,
    Exited,
    Life,
    LivenessSeen,
    Phase,
    ReadinessSeen,
    Rules,
    StartRequested,
    StopRequested,
    Tick,
    backoff_s,
    decide,
    wake_at,
)

RULES = Rules(ready_period_s=5, ready_failures=3, live_period_s=10, live_failures=3, start_limit_s=60, stop_grace_s=3)


def told(*history: tuple[float, Event], life: Life = Life()) -> tuple[Life, list[Action]]:  # noqa: B008 -- frozen
    """Feed a history; return where it ends and every action on the way."""
    actions: list[Action] = []
    for now, event in history:
        life, more = decide(life, RULES, event, now)
        actions += more
    return life, actions


def ready(now: float = 1.0) -> Life:
    """Return a life that is ready since `now`."""
    return told((0.0, StartRequested()), (now, ReadinessSeen(1, None)))[0]


def test_a_start_spawns_and_asks_at_once() -> None:
    """A start spawns one process, whose readiness is asked without waiting for a period."""
    life, actions = told((0.0, StartRequested()), (0.0, Tick()))
    assert actions == [Action.SPAWN, Action.ASK_READINESS]
    assert life.phase is Phase.STARTING


def test_a_second_start_spawns_nothing() -> None:
    """Starting what runs changes nothing."""
    assert told((2.0, StartRequested()), life=ready()) == (ready(), [])


def test_ready_when_the_check_passes() -> None:
    """The first good answer makes it ready; the next question comes after the declared period."""
    life = ready(now=1.0)
    assert (life.phase, life.ask_ready_at, life.ready_once) == (Phase.READY, 6.0, True)


def test_a_crash_is_answered_by_a_restart_after_a_pause() -> None:
    """A process that died is started again when its backoff is over, and not before."""
    died, actions = told((2.0, Exited(1, "was ended by SIGKILL")), life=ready())
    assert (died.phase, actions) == (Phase.BACKOFF, [])
    assert told((2.1, Tick()), life=died)[1] == []
    again, actions = told((2.3, Tick()), life=died)
    assert actions[0] is Action.SPAWN
    assert (again.phase, again.restarts, again.run, again.last_exit) == (Phase.STARTING, 1, 2, "was ended by SIGKILL")


def test_the_backoff_grows_and_ends() -> None:
    """The pause doubles from crash to crash up to its limit, and never overflows."""
    pauses = [backoff_s(crashes) for crashes in range(1, 12)]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses == sorted(pauses)
    assert backoff_s(10_000) == LAST_BACKOFF_S
    assert backoff_s(10_000, ready_once=True) == LAST_BACKOFF_ONCE_READY_S


def test_what_has_worked_is_back_within_seconds_however_often_it_is_killed() -> None:
    """Killed six times in a minute, each time as soon as it is ready: the last pause is short too."""
    life = ready()
    for at in range(10, 70, 10):
        killed = told((float(at), Exited(life.run, "was ended by SIGKILL")), life=life)[0]
        assert killed.act_at is not None
        assert killed.act_at - at <= LAST_BACKOFF_ONCE_READY_S
        again = told((killed.act_at, Tick()), life=killed)[0]
        life = told((killed.act_at + 0.1, ReadinessSeen(again.run, None)), life=again)[0]
        assert life.phase is Phase.READY


def test_a_stable_life_forgets_its_crashes() -> None:
    """After living long enough, the next crash is the first of a row again; a quick one is the next of the row."""
    life = told((0.0, StartRequested()))[0]
    for run in range(1, 5):
        life = told((run * 100.0, Exited(run, "ended")), (run * 100.0 + 90, Tick()), life=life)[0]
    assert life.crashes == 4, "what was never ready has got over nothing, however long it tried"
    life = told((life.started_at + 1, ReadinessSeen(life.run, None)), life=life)[0]
    assert told((life.started_at + STABLE_AFTER_S, Exited(life.run, "ended")), life=life)[0].crashes == 5
    assert told((life.started_at + 1 + STABLE_AFTER_S, Exited(life.run, "ended")), life=life)[0].crashes == 1


def test_answers_about_an_earlier_process_are_ignored() -> None:
    """An exit or an answer that belongs to a process before this one changes nothing."""
    second = told((2.0, Exited(1, "ended")), (3.0, Tick()), life=ready())[0]
    late = ((4.0, Exited(1, "ended")), (4.0, ReadinessSeen(1, None)), (4.0, LivenessSeen(1, "dead")))
    assert told(*late, life=second) == (second, [])


def test_unready_after_as_many_failures_as_declared() -> None:
    """One failed readiness check is nothing, three in a row are; one good answer makes it ready again. No restart."""
    fail = ReadinessSeen(1, "no answer")
    once = told((6.0, fail), life=ready())[0]
    thrice, actions = told((7.0, fail), (8.0, fail), life=once)
    assert (once.phase, thrice.phase, actions) == (Phase.READY, Phase.UNREADY, [])
    assert told((9.0, ReadinessSeen(1, None)), life=thrice)[0].phase is Phase.READY


def test_killed_when_it_is_not_live() -> None:
    """Three failed liveness checks in a row kill it; a good one in between starts the count anew."""
    fail, fine = LivenessSeen(1, "hangs"), LivenessSeen(1, None)
    assert told((10.0, fail), (20.0, fail), (30.0, fine), (40.0, fail), (50.0, fail), life=ready())[1] == []
    assert told((10.0, fail), (20.0, fail), (30.0, fail), life=ready())[1] == [Action.KILL]


def test_not_asked_whether_it_is_live_before_it_is_ready() -> None:
    """A slow start has its own limit; only what was ready once is killed for hanging, after the declared delay."""
    busy = ReadinessSeen(1, "it recovers its log")
    slow, actions = told((0.0, StartRequested()), (10.0, Tick()), (20.0, busy), (30.0, Tick()), (59.0, Tick()))
    assert Action.ASK_LIVENESS not in actions
    up = told((59.5, ReadinessSeen(1, None)), life=slow)[0]
    assert told((69.4, Tick()), life=up)[1] == [Action.ASK_READINESS]
    assert Action.ASK_LIVENESS in told((69.6, Tick()), life=up)[1]


def test_killed_when_it_never_becomes_ready() -> None:
    """A start that takes longer than its limit is ended by force; its exit leads to another try."""
    life = told((0.0, StartRequested()), (30.0, ReadinessSeen(1, "no answer")))[0]
    late, actions = told((60.0, Tick()), life=life)
    assert actions == [Action.KILL]
    assert told((60.1, Exited(1, "was ended by SIGKILL")), life=late)[0].phase is Phase.BACKOFF


def test_a_start_that_waits_for_others_is_not_ended() -> None:
    """What is live when its start is late, as its database is away, is unready; what is not live is ended by force."""
    patient = replace(RULES, may_wait_for_others=True)
    life = told((0.0, StartRequested()), (30.0, ReadinessSeen(1, "no database")))[0]
    late, actions = decide(life, patient, Tick(), 60.0)
    assert (late.phase, actions) == (Phase.UNREADY, (Action.ASK_LIVENESS,))
    assert decide(late, patient, LivenessSeen(1, "hangs"), 61.0)[1] == (Action.KILL,)
    waiting, actions = decide(late, patient, LivenessSeen(1, None), 61.0)
    assert (waiting.phase, waiting.ask_live_at, actions) == (Phase.UNREADY, 71.0, ())
    assert decide(waiting, patient, ReadinessSeen(1, None), 300.0)[0].phase is Phase.READY


def test_a_stop_is_polite_then_forceful() -> None:
    """A stop asks first, uses force when the grace is over, and ends with the process; no restart follows."""
    stopping, asked = told((10.0, StopRequested()), life=ready())
    assert asked == [Action.STOP]
    assert told((12.9, Tick()), life=stopping)[1] == []
    late, forced = told((13.0, Tick()), life=stopping)
    assert forced == [Action.KILL]
    ended, actions = told((13.1, Exited(1, "was ended by SIGKILL")), (99.0, Tick()), life=late)
    assert (ended.phase, actions, wake_at(ended)) == (Phase.STOPPED, [], None)


def test_a_stop_during_the_backoff_starts_nothing() -> None:
    """What waits for its restart is stopped at once."""
    died = told((2.0, Exited(1, "ended")), life=ready())[0]
    assert told((2.1, StopRequested()), (9.0, Tick()), life=died)[1] == []


def test_the_second_stop_does_not_prolong_the_first() -> None:
    """A stop that is repeated neither asks again nor moves the moment of force."""
    stopping = told((10.0, StopRequested()), life=ready())[0]
    assert told((12.0, StopRequested()), life=stopping) == (stopping, [])


EVENTS = st.one_of(
    st.just(StartRequested()),
    st.just(StopRequested()),
    st.just(Tick()),
    st.builds(Exited, st.integers(1, 4), st.just("ended")),
    st.builds(ReadinessSeen, st.integers(1, 4), st.sampled_from([None, "no"])),
    st.builds(LivenessSeen, st.integers(1, 4), st.sampled_from([None, "no"])),
)


@given(st.lists(st.tuples(st.floats(0, 20), EVENTS), max_size=60))
def test_never_two_processes_at_once(history: list[tuple[float, Event]]) -> None:
    """Whatever happens in whatever order, a process is spawned only after the one before has ended."""
    life, now, alive = Life(), 0.0, False
    for pause, event in history:
        now += pause
        ended = isinstance(event, Exited) and event.run == life.run and alive
        life, actions = decide(life, RULES, event, now)
        alive = alive and not ended
        if Action.SPAWN in actions:
            assert not alive, "two processes"
            alive = True
        if life.phase in (Phase.BACKOFF, Phase.STOPPED, Phase.WAITING):
            assert not alive, f"{life.phase} with a living process"


@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_waits_for_nothing(phase: Phase) -> None:
    """Only what has ended for good, or never began, sleeps without an alarm; all else has a time at which it acts."""
    reached = {
        Phase.WAITING: Life(),
        Phase.STARTING: told((0.0, StartRequested()))[0],
        Phase.READY: ready(),
        Phase.UNREADY: told(*[(6.0, ReadinessSeen(1, "no"))] * 3, life=ready())[0],
        Phase.BACKOFF: told((2.0, Exited(1, "ended")), life=ready())[0],
        Phase.STOPPING: told((2.0, StopRequested()), life=ready())[0],
        Phase.STOPPED: told((2.0, StopRequested()), (3.0, Exited(1, "ended")), life=ready())[0],
    }[phase]
    assert reached.phase is phase
    assert (wake_at(reached) is None) == (phase in (Phase.WAITING, Phase.STOPPED))
