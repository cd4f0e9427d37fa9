"""The processes and servers of one history: what can be done to them, and when they are at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from types import CodeType
from typing import Any, Final, TypeVar

import psycopg

from sumflow.adder import writer as real_writer
from sumflow.adder.requests import Refused, Request
from sumflow.sums.event import Position
from sumflow.totalizer import machine
from tests.simulation.clock import CLOCK
from tests.simulation.kafka import Producer, Topic
from tests.simulation.processes import NOTHING, Answer, Member, Relay, Settings, SimulatedWriter
from tests.simulation.storage import Blocked, Violation
from tests.simulation.tasks import Call, Task
from tests.simulation.truth import Operation, Truth

MAX_PENDING: Final = 6
PROCESSES: Final = (1, 1, 2)
TOTALS: Final = ("", "", "rent", "food")
"""Additions name these in turn; the empty name is the contract's one total."""
CAPACITIES: Final = (5, 50, 50, 50, 50, 50, 50, 50)
"""Of a producer's queue; what a relay sends at most fits one of 50, and not always one of 5."""
HEARD_SHARES: Final = (0.7, 1.0)
_T = TypeVar("_T")


class Adder:
    """An adder's process."""

    def __init__(self, settings: Any) -> None:
        self.writer = SimulatedWriter(settings, NOTHING, asyncio.Event())
        self.task = Task(settings.store, self.writer.run())
        self.answers: list[Answer] = []
        self.is_stopping = False

    def stop(self) -> None:
        """End in good order: the server takes no call any more, then the writer answers those who wait."""
        self.is_stopping = True
        self.writer.stop()


class World:
    """Everything that takes part in a history.

    Args:
        random: decides the sizes, and later everything else.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        CLOCK.start(random)
        partitions = self.between(1, 3)
        self.topic = Topic(CLOCK.uuid4(), [[] for _ in range(partitions)], [0] * partitions)
        self.truth = Truth(self.topic)
        self.topic.on_append = self.truth.appended
        capacity, store, totals = self.pick(CAPACITIES), self.truth.adder, self.truth.totalizer
        self._settings = [
            Settings(f"adder-{i}", store, random, self.topic, capacity, MAX_PENDING, totals)
            for i in range(self.pick(PROCESSES))
        ]
        self.adders = [Adder(settings) for settings in self._settings]
        self.relays = [Relay(settings) for settings in self._settings]
        self.members = [Member(self._settings[0]) for _ in range(self.pick(PROCESSES))]
        self.orphans: list[Producer] = []
        """Producers that were thrown away or whose process died; what they sent may still arrive."""
        self.strays: list[Call] = []
        """Statements that the server has received from clients that are gone."""
        self._graves: list[Adder | Relay] = []
        """Killed processes are kept: letting go of one would run its `finally` clauses."""
        self.operations: list[Operation] = []
        for _ in range(self.between(1, 5)):
            self.add_operation()
        self._answers: dict[Operation, Answer] = {}
        self.owners: list[int] = []
        self.is_recreated = False
        self.tears_batch = False
        self.crashes: set[tuple[CodeType, int]] | None = None
        """Code and line where processes were killed; None if nobody wants to know."""
        self.hears = self.pick(HEARD_SHARES)
        """So many of the announcements of commits reach a relay."""
        self.is_quiet = True
        """Whether nothing but ordinary work was done."""
        self.is_harmed = False
        """Whether there was a fault."""
        self.rebalance()

    def pick(self, choices: Sequence[_T]) -> _T:
        """Return one of the choices; three times as fast as Random.choice."""
        return choices[int(self.random.random() * len(choices))]

    def between(self, least: int, most: int) -> int:
        """Return a number, both ends included."""
        return least + int(self.random.random() * (most - least + 1))

    def add_operation(self) -> None:
        """A client wants something added."""
        number, size = len(self.operations), self.between(1, 4)
        xs = tuple(1000 * number + i for i in range(1, size + 1))
        chance = self.random.random()
        totals = tuple(TOTALS[(int(chance * 1000) + i) % len(TOTALS)] for i in range(size))
        request_id = f"request-{number}" if chance < 0.6 else ""
        self._add(Operation(xs, tuple(range(size)), request_id, totals if any(totals) else ()))

    def _add(self, operation: Operation) -> None:
        self.truth.operations[operation.first] = operation
        self.operations.append(operation)

    def add_rival(self, operation: Operation) -> None:
        """A careless client gives another addition an id that it has used: only numbers, or only the name, differ."""
        number, chance = len(self.operations), self.random.random()
        ys = tuple(1000 * number + i for i in range(len(operation.ys)))
        rival = Operation(operation.xs, operation.ys, operation.request_id, operation.totals)
        if chance < 0.4:
            rival.ys = ys
        elif chance < 0.7:
            rival.xs = tuple(1000 * number + i for i in range(1, len(ys) + 1))
        else:
            rival.totals = (f"name-{number}",) * len(ys)
        rival.rivals = [operation, *operation.rivals]
        for each in rival.rivals:
            each.rivals.append(rival)
        self._add(rival)

    def send(self, operation: Operation) -> bool:
        """Send an operation to some adder; return False if that has no lane open, no room or no time."""
        adder = self.pick(self.adders)
        if adder.is_stopping:
            return False
        answer: Any = Answer(lambda outcome: self._told(operation, outcome, adder))
        try:
            request = Request(operation.xs, operation.ys, operation.request_id, None, answer, totals=operation.totals)
            adder.writer._enqueue(request)
        except Refused:
            return False
        adder.answers.append(answer)
        self.truth.sent(operation)
        operation.is_waiting, operation.is_unknown = True, False
        self._answers[operation] = answer
        return True

    def give_up(self, operation: Operation) -> None:
        """The client stops waiting, and does not know."""
        self._answers[operation].is_over = True
        operation.is_waiting, operation.is_unknown = False, True

    def _told(self, operation: Operation, outcome: Position | Refused, adder: Adder) -> None:
        operation.is_waiting = False
        if isinstance(outcome, Position):
            self.truth.acknowledged(operation, outcome)
        elif outcome.message == real_writer._OPEN:
            operation.is_unknown = True
            same_id = (operation, *operation.rivals)
            if not any(adder.task.may_have_committed(each.xs[0]) for each in same_id):
                raise Violation(f"operation {operation.first} is said to be stored perhaps, and no commit was sent")
        elif outcome.message == real_writer._NOT_STORED:
            self.truth.not_stored(operation)
        else:
            self.truth.refused(operation, outcome.message)
        if isinstance(outcome, Refused) and not (self.is_harmed or operation.rivals):
            raise Violation(f"nothing is wrong, and an addition was refused: {outcome.message}")

    def cut(self, task: Task) -> None:
        """Cut a process's connection with its database."""
        if stray := task.cut():
            self.strays.append(stray)

    def run_stray(self) -> None:
        """The server carries out what it received from a client that is gone."""
        call = self.strays.pop(self.between(0, len(self.strays) - 1))
        try:
            self.truth.adder.execute(call.session, call.query, call.parameters)
        except (psycopg.Error, Blocked):
            return

    def _successor(self, index: int) -> Settings:
        """Return the settings of a process that follows one that died: it may have another name, as pods have."""
        if self.random.random() < 0.5:
            self._settings[index] = replace(self._settings[index], instance=f"adder-{len(self._graves)}-{index}")
        return self._settings[index]

    def kill_adder(self, index: int) -> None:
        """kill -9; another process takes its place."""
        killed = self.adders[index]
        self._note_crash(killed.task)
        for operation in self.operations:
            if operation.is_waiting and self._answers[operation] in killed.answers:
                self.give_up(operation)
        self.cut(killed.task)
        self._graves.append(killed)
        self.adders[index] = Adder(self._successor(index))

    def kill_relay(self, index: int) -> None:
        """kill -9; another process takes its place."""
        killed = self.relays[index]
        self._note_crash(killed.task)
        killed.retire()
        self.cut(killed.task)
        self._graves.append(killed)
        self.relays[index] = Relay(self._successor(index))
        self.orphans += killed.retired

    @property
    def adders_started(self) -> int:
        """How many adders there were, the living ones included."""
        return len(self.adders) + sum(isinstance(process, Adder) for process in self._graves)

    def _note_crash(self, task: Task) -> None:
        if self.crashes is not None:
            self.crashes.update(task.stopped_at())

    def follow_stopped(self) -> None:
        """Put others in the places of adders and relays that have ended in good order."""
        for index, adder in enumerate(self.adders):
            if adder.task.is_finished:
                self._graves.append(adder)
                self.adders[index] = Adder(self._successor(index))
        for index, relay in enumerate(self.relays):
            if relay.task.is_finished:
                relay.retire()
                self._graves.append(relay)
                self.orphans += relay.retired
                self.relays[index] = Relay(self._successor(index))

    def drop_orphans(self) -> None:
        """Lose what producers without a relay have on the way."""
        for producer in self.orphans:
            producer.drop()
        self.orphans.clear()

    def close(self) -> None:
        """End all processes, and let go of whatever refers to each other: nothing is left to the garbage collector.

        Memory that is freed at once is used again while the processor still has it at hand.
        """
        for answer in self._answers.values():
            answer.is_over = True
        for process in (*self.adders, *self.relays, *self._graves):
            process.task.close()
            if isinstance(process, Relay):
                process.retire()
                self.orphans += process.retired
            vars(process).clear()
        self.drop_orphans()
        for operation in self.operations:
            operation.rivals.clear()
        self.truth.close()
        vars(self).clear()

    def kill_member(self, index: int) -> None:
        """kill -9; another process takes its place, and the group notices."""
        self.members[index] = Member(self._settings[0])
        self.rebalance()

    def rebalance(self) -> None:
        """The group gives the partitions anew; members hear of it when they next listen, and nobody waits for them."""
        self.owners = [self.between(0, len(self.members) - 1) for _ in self.topic.logs]
        for index, member in enumerate(self.members):
            own = frozenset(partition for partition, owner in enumerate(self.owners) if owner == index)
            member.group += [machine.Revoked(), machine.Assigned(own)]

    def announce(self, hears: float) -> None:
        """Tell the relays which lanes have news; each announcement reaches each of them with this probability."""
        notices, self.truth.adder.notices = self.truth.adder.notices, []
        if not notices:
            return
        for relay in self.relays:
            relay.hear([number for number in notices if self.random.random() < hears])

    def producers(self) -> list[Producer]:
        """Return all producers that have something on its way."""
        for relay in self.relays:
            if relay.retired:
                self.orphans += relay.retired
                relay.retired = []
        living = [relay.publisher.producer for relay in self.relays if relay.publisher]
        return [producer for producer in living + self.orphans if len(producer)]
