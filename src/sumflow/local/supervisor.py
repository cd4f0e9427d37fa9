"""Runs the components: one loop over events, the decisions of `lifecycle`, and their execution.

Nothing is polled: a thread waits for each process, a small pool asks the health checks, and the loop sleeps until the
next event or the next time that a decision named.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from subprocess import Popen
from typing import Final

import psutil

from sumflow.errors import SumflowError
from sumflow.local import losses, process
from sumflow.local.checks import Check, problem_of
from sumflow.local.lifecycle import (
    Action,
    Event,
    Exited,
    Life,
    LivenessSeen,
    Phase,
    ReadinessSeen,
    StartRequested,
    StopRequested,
    Tick,
    decide,
    wake_at,
)
from sumflow.local.plan import STOP_GRACE_S, Component
from sumflow.local.process import Identity

_log = logging.getLogger("sumflow.supervisor")
_QUEUE_LIMIT: Final = 10_000
_ASKING_AT_ONCE: Final = 8
_LONGEST_SLEEP_S: Final = 5.0
"""Also how often the logs' sizes are looked at."""
_AFTER_KILL_S: Final = 1.0

Seen = Callable[[Mapping[str, Life], Mapping[str, Identity]], None]
"""Hears of every change: each component's life, and the identity of the processes that live."""


class Supervisor:
    """Runs components until closed; all methods may be called from any thread.

    Args:
        components: what may be started.
        changed: called from the supervisor's thread after each change that a person would see.
    """

    def __init__(self, components: Iterable[Component], changed: Seen) -> None:
        self._components = {component.name: component for component in components}
        self._lives = dict.fromkeys(self._components, Life())
        self._processes: dict[str, Popen[bytes]] = {}
        self._identities: dict[str, Identity] = {}
        self._events: queue.Queue[tuple[str, Event] | None] = queue.Queue(_QUEUE_LIMIT)
        self._changed = changed
        self._seen = threading.Condition()
        self._pool = ThreadPoolExecutor(_ASKING_AT_ONCE, thread_name_prefix="ask")
        self._thread = threading.Thread(target=self._loop, name="supervisor", daemon=True)
        self._thread.start()

    @property
    def lives(self) -> Mapping[str, Life]:
        """The state of every component, as of now."""
        return dict(self._lives)

    def start(self, names: Iterable[str]) -> None:
        """Ask for components to run; returns at once."""
        for name in names:
            self._events.put((name, StartRequested()))

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when something changed, or when the time is over."""
        with self._seen:
            self._seen.wait(timeout_s)

    def stop(self, names: Iterable[str], within_s: float) -> None:
        """Stop components and return when none of their processes lives, or when the time is over."""
        wanted = list(names)
        for name in wanted:
            self._events.put((name, StopRequested()))
        with self._seen:
            self._seen.wait_for(
                lambda: all(self._lives[name].phase in (Phase.STOPPED, Phase.WAITING) for name in wanted), within_s
            )

    def stop_all(self, stages: Iterable[str], reporter: Callable[[str], None]) -> None:
        """Stop stage by stage, in the given order; each within its own grace."""
        for stage in stages:
            names = [name for name, component in self._components.items() if component.stage == stage]
            alive = [name for name in names if self._lives[name].phase not in (Phase.STOPPED, Phase.WAITING)]
            if alive:
                reporter(", ".join(alive))
                self.stop(alive, STOP_GRACE_S[stage] + _AFTER_KILL_S)

    def close(self) -> None:
        """End the loop; processes that still live are left to whoever finds them."""
        self._events.put(None)
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _loop(self) -> None:
        while True:
            try:
                item = self._events.get(timeout=self._sleep_s())
            except queue.Empty:
                self._tick()
                continue
            if item is None:
                return
            self._apply(*item)
            self._tick()

    def _sleep_s(self) -> float:
        times = [at for life in self._lives.values() if (at := wake_at(life)) is not None]
        return max(0.0, min(_LONGEST_SLEEP_S, min(times, default=float("inf")) - time.monotonic()))

    def _tick(self) -> None:
        now = time.monotonic()
        for name, life in list(self._lives.items()):
            at = wake_at(life)
            if at is not None and at <= now:
                self._apply(name, Tick())
        for component in self._components.values():
            process.rotate(component.command.log)

    def _apply(self, name: str, event: Event) -> None:
        """Decide, remember, act, tell."""
        before = self._lives[name]
        after, actions = decide(before, self._components[name].rules, event, time.monotonic())
        self._lives[name] = after
        for action in actions:
            self._act(name, after, action)
        if _visible(before) != _visible(after):
            if after.phase in (Phase.STOPPED, Phase.BACKOFF):
                self._identities.pop(name, None)
            said = after.problem or ("" if after.phase is Phase.READY else after.last_exit)
            _log.info("%s: %s%s", name, after.phase, said and f", {said}")
            self._changed(dict(self._lives), dict(self._identities))
            with self._seen:
                self._seen.notify_all()

    def _act(self, name: str, life: Life, action: Action) -> None:
        component = self._components[name]
        match action:
            case Action.SPAWN:
                self._spawn(component, life.run)
            case Action.ASK_READINESS:
                self._pool.submit(self._ask, component, component.readiness, life.run, ReadinessSeen)
            case Action.ASK_LIVENESS:
                if component.liveness:
                    self._pool.submit(self._ask, component, component.liveness, life.run, LivenessSeen)
            case Action.STOP:
                self._send(name, lambda pid: process.send(pid, component.command.stop_signal))
            case Action.KILL:
                _log.warning("%s: killed, as %s", name, life.problem)
                self._send(name, process.kill_family)

    def _spawn(self, component: Component, run: int) -> None:
        try:
            losses.require(component.keeps)
            if component.before_start and (mended := component.before_start()):
                _log.warning("%s: %s", component.name, mended)
            started = process.start(component.command)
            self._identities[component.name] = Identity.of(started.pid)
        except (SumflowError, OSError, psutil.NoSuchProcess) as error:
            self._events.put((component.name, Exited(run, f"could not be started: {error}")))
            return
        self._processes[component.name] = started
        waiter = threading.Thread(target=self._wait, args=(component.name, started, run), daemon=True)
        waiter.start()

    def _wait(self, name: str, started: Popen[bytes], run: int) -> None:
        code = started.wait()
        self._events.put((name, Exited(run, exit_in_words(code))))

    def _ask(
        self,
        component: Component,
        check: Check,
        run: int,
        answer: type[ReadinessSeen] | type[LivenessSeen],
    ) -> None:
        problem = losses.problem(component.keeps) or problem_of(check, component.check_timeout_s)
        self._events.put((component.name, answer(run, problem)))

    def _send(self, name: str, how: Callable[[int], None]) -> None:
        running = self._processes.get(name)
        if running and running.poll() is None:
            how(running.pid)


def exit_in_words(code: int) -> str:
    """Say how a process ended, from its return code."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _visible(life: Life) -> tuple[object, ...]:
    """Return what a person sees of a life; a starting process's every answer would be noise."""
    problem = "" if life.phase is Phase.STARTING else life.problem
    return life.phase, life.run, life.restarts, problem, life.last_exit
