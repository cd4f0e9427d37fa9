"""What happens to one process: pure decisions of the supervisor, state x event -> state, actions.

Nothing here waits, starts or kills; times are seconds of a clock that the caller reads, so that a test can be one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

FIRST_BACKOFF_S: Final = 0.2
LAST_BACKOFF_S: Final = 30.0
"""For what was never ready: it lacks something, and trying costs."""
LAST_BACKOFF_ONCE_READY_S: Final = 3.0
"""For what has worked: it was killed, and is missed."""
STABLE_AFTER_S: Final = 10.0
"""A process that was ready for this long has got over its last crash."""
STARTING_PERIOD_S: Final = 0.05
"""How often a starting process is asked whether it is ready; afterwards the declared period counts."""


class Phase(StrEnum):
    """Where a process stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    BACKOFF = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Action(StrEnum):
    """What the edge is to do."""

    SPAWN = "spawn"
    ASK_READINESS = "ask readiness"
    ASK_LIVENESS = "ask liveness"
    STOP = "stop"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a component declares about its own life, in seconds."""

    ready_period_s: float = 5.0
    ready_failures: int = 3
    live_period_s: float = 10.0
    live_failures: int = 3
    live_delay_s: float = 0.0
    start_limit_s: float = 60.0
    may_wait_for_others: bool = False
    """A start that takes longer is not ended while the process is live: what it waits for may be away."""
    stop_grace_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Life:
    """The state of one component's process."""

    phase: Phase = Phase.WAITING
    run: int = 0
    """Counts the processes started; an answer about an earlier one is ignored."""
    started_at: float = 0.0
    ready_at: float | None = None
    """Since when this run is ready, or was first."""
    ready_once: bool = False
    restarts: int = 0
    crashes: int = 0
    """In a row; what the backoff grows with."""
    failed_ready: int = 0
    failed_live: int = 0
    ask_ready_at: float | None = None
    ask_live_at: float | None = None
    act_at: float | None = None
    """When to start again (restarting), or to use force (stopping)."""
    problem: str = ""
    last_exit: str = ""


@dataclass(frozen=True, slots=True)
class StartRequested:
    """Somebody wants it to run."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants it to end."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The process of a run ended; `how` says it in words."""

    run: int
    how: str


@dataclass(frozen=True, slots=True)
class ReadinessSeen:
    """The readiness check of a run was answered; None is good news."""

    run: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class LivenessSeen:
    """The liveness check of a run was answered; None is good news."""

    run: int
    problem: str | None


Event = StartRequested | StopRequested | Tick | Exited | ReadinessSeen | LivenessSeen
Decision = tuple[Life, tuple[Action, ...]]

_RUNNING: Final = frozenset({Phase.STARTING, Phase.READY, Phase.UNREADY})


def backoff_s(crashes: int, *, ready_once: bool = False) -> float:
    """Return how long to wait before the next start, after so many crashes in a row."""
    return min(
        LAST_BACKOFF_ONCE_READY_S if ready_once else LAST_BACKOFF_S,
        FIRST_BACKOFF_S * 2.0 ** max(0, min(crashes, 16) - 1),
    )


def wake_at(life: Life) -> float | None:
    """Return when time alone makes something happen, or None."""
    times = [at for at in (life.act_at, life.ask_ready_at, life.ask_live_at) if at is not None]
    return min(times, default=None)


def decide(life: Life, rules: Rules, event: Event, now: float) -> Decision:
    """Say what follows from an event."""
    return _DECISIONS[type(event)](life, rules, event, now)


def _on_start(life: Life, rules: Rules, event: Event, now: float) -> Decision:
    del event
    if life.phase in (Phase.WAITING, Phase.STOPPED):
        return _spawned(replace(life, crashes=0), rules, now)
    return life, ()


def _spawned(life: Life, rules: Rules, now: float) -> Decision:
    begun = replace(
        life,
        phase=Phase.STARTING,
        run=life.run + 1,
        started_at=now,
        ready_at=None,
        failed_ready=0,
        failed_live=0,
        act_at=now + rules.start_limit_s,
        ask_ready_at=now,
        ask_live_at=None,
        problem="it starts",
    )
    return begun, (Action.SPAWN,)


def _on_stop(life: Life, rules: Rules, event: Event, now: float) -> Decision:
    del event
    quiet = replace(life, ask_ready_at=None, ask_live_at=None)
    if life.phase in _RUNNING:
        return replace(quiet, phase=Phase.STOPPING, act_at=now + rules.stop_grace_s, problem=""), (Action.STOP,)
    if life.phase is Phase.STOPPING:
        return life, ()
    return replace(quiet, phase=Phase.STOPPED, act_at=None, problem=""), ()


def _on_exit(life: Life, rules: Rules, event: Event, now: float) -> Decision:
    del rules
    if not isinstance(event, Exited) or event.run != life.run or life.phase in (Phase.STOPPED, Phase.BACKOFF):
        return life, ()
    ended = replace(life, ask_ready_at=None, ask_live_at=None, last_exit=event.how)
    if life.phase is Phase.STOPPING:
        return replace(ended, phase=Phase.STOPPED, act_at=None, problem=""), ()
    was_stable = life.ready_at is not None and now - life.ready_at >= STABLE_AFTER_S
    crashes = 1 if was_stable else life.crashes + 1
    wait_s = backoff_s(crashes, ready_once=life.ready_once)
    told = f"it {event.how}; the next start is in {wait_s:.1f} s"
    return replace(ended, phase=Phase.BACKOFF, crashes=crashes, act_at=now + wait_s, problem=told), ()


def _on_readiness(life: Life, rules: Rules, event: Event, now: float) -> Decision:
    if not isinstance(event, ReadinessSeen) or event.run != life.run or life.phase not in _RUNNING:
        return life, ()
    if event.problem is None:
        ready_at = now if life.ready_at is None else life.ready_at
        ready = replace(
            life, phase=Phase.READY, ready_at=ready_at, ready_once=True, failed_ready=0, act_at=None, problem=""
        )
        if life.phase is Phase.STARTING:
            # Not before: a start has a limit of its own, and an early liveness check would undercut it.
            first = max(now + rules.live_period_s, life.started_at + rules.live_delay_s)
            ready = replace(ready, ask_live_at=first)
        return replace(ready, ask_ready_at=now + rules.ready_period_s), ()
    if life.phase is Phase.STARTING:
        return replace(life, problem=event.problem, ask_ready_at=now + STARTING_PERIOD_S), ()
    failed = life.failed_ready + 1
    phase = Phase.UNREADY if failed >= rules.ready_failures else life.phase
    again = min(rules.ready_period_s, 1.0)
    return replace(life, phase=phase, failed_ready=failed, problem=event.problem, ask_ready_at=now + again), ()


def _on_liveness(life: Life, rules: Rules, event: Event, now: float) -> Decision:
    if not isinstance(event, LivenessSeen) or event.run != life.run or life.phase not in _RUNNING:
        return life, ()
    failed = life.failed_live + 1 if event.problem else 0
    seen = replace(life, failed_live=failed, ask_live_at=now + rules.live_period_s)
    if failed < rules.live_failures:
        return seen, ()
    return replace(seen, ask_live_at=None, problem=f"it is not live: {event.problem}"), (Action.KILL,)


def _on_tick(life: Life, rules: Rules, event: Event, now: float) -> Decision:
    del event
    if life.act_at is not None and now >= life.act_at:
        return _late(life, rules, now)
    actions = []
    if life.ask_ready_at is not None and now >= life.ask_ready_at:
        life = replace(life, ask_ready_at=None)
        actions.append(Action.ASK_READINESS)
    if life.ask_live_at is not None and now >= life.ask_live_at:
        life = replace(life, ask_live_at=None)
        actions.append(Action.ASK_LIVENESS)
    return life, tuple(actions)


def _late(life: Life, rules: Rules, now: float) -> Decision:
    """Start again when the backoff is over; use force on what neither started nor stopped in its time."""
    if life.phase is Phase.BACKOFF:
        return _spawned(replace(life, restarts=life.restarts + 1), rules, now)
    if life.phase is Phase.STARTING and rules.may_wait_for_others:
        # The next liveness check decides alone: there has been time enough for a good answer.
        asked = replace(life, phase=Phase.UNREADY, act_at=None, failed_live=rules.live_failures - 1)
        return asked, (Action.ASK_LIVENESS,)
    said = f"it did not {'stop' if life.phase is Phase.STOPPING else 'become ready'} in its time"
    return replace(life, act_at=None, problem=said), (Action.KILL,)


_DECISIONS: Final[dict[type, Callable[[Life, Rules, Event, float], Decision]]] = {
    StartRequested: _on_start,
    StopRequested: _on_stop,
    Exited: _on_exit,
    ReadinessSeen: _on_readiness,
    LivenessSeen: _on_liveness,
    Tick: _on_tick,
}
