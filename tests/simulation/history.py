"""One history: a seed decides what happens and in which order; then faults end, and everything must come to rest.

The same seed gives the same history, statement by statement. What happens is written into a trace when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from sumflow.totalizer.machine import Consuming, Halted
from tests.simulation.clock import CLOCK
from tests.simulation.faults import AFTERMATH, FAULTS, IN_GOOD_ORDER, Fault
from tests.simulation.happenings import WORK, Happening, may_send
from tests.simulation.rebuilding import audit
from tests.simulation.storage import Violation
from tests.simulation.world import World

STEPS: Final = (12, 40)
"""How much happens before everything comes to rest, at least and at most."""
GOES_ON_AFTER_REST: Final = 0.3
"""So many histories have a second part: faults that meet everything at rest, and one more operation."""
TRIES: Final = 4
"""What finds nothing to do gives its turn to another, so often at most: a step may pass with nothing but time."""
AFTER_REST_STEPS: Final = (1, 10)
AFTER_REST_FAULT_SHARE: Final = 0.4
STARTS_IN_ORDER: Final = 0.9
STEP_S: Final = 0.05
ROUND_S: Final = 5.0
QUICK_ROUNDS: Final = 2
PROMPT_ROUNDS: Final = 8
"""Enough for everything that relays know of."""
REST_LIMIT: Final = 120
"""Rounds without faults after which everything must be at rest."""
FETCH_LIMITS: Final = (1, 3, 100, 100)
"""Of each partition, at once."""
FAULT_SHARES: Final = (0.0, 0.1, 0.2, 0.2, 0.3, 0.4)
HARMLESS: Final = frozenset([*WORK, *IN_GOOD_ORDER])
"""As long as nothing else has happened, nothing may be refused, and an adder has one lane."""
FAULT_KINDS: Final = (1, 7)
"""Each history knows so many kinds of faults, so that each fault meets some often, and others never."""


class History:
    """One run.

    Args:
        seed: decides everything.
        is_traced: whether to write down what happens.
    """

    def __init__(self, seed: int, *, is_traced: bool = False) -> None:
        self._random = Random(seed)  # noqa: S311 - chance that can be repeated is the point
        self.trace: list[str] | None = [] if is_traced else None
        self.world = World(self._random)

    def run(self) -> None:
        """Live through the history; raise Violation if a rule is broken."""
        try:
            self._run()
        finally:
            self.world.close()

    def _run(self) -> None:
        chance, world = self._random.random, self.world
        if chance() < STARTS_IN_ORDER:
            self._start()
        kinds = [world.pick(FAULTS) for _ in range(world.between(*FAULT_KINDS))] + AFTERMATH
        self._live(kinds, world.pick(FAULT_SHARES), world.between(*STEPS))
        self._rest()
        if chance() < GOES_ON_AFTER_REST:
            world.add_operation()
            self._live(kinds, AFTER_REST_FAULT_SHARE, world.between(*AFTER_REST_STEPS))
            self._rest()

    def _live(self, kinds: list[Fault], fault_share: float, steps: int) -> None:
        chance = self._random.random
        for _ in range(steps):
            CLOCK.now_s += STEP_S
            if chance() < fault_share:
                self._try(kinds)
            else:
                self._try(WORK)

    def _try(self, kinds: Sequence[Fault | Happening]) -> None:
        for _ in range(TRIES):
            kind = self.world.pick(kinds)
            if kind(self.world):
                self.world.is_harmed |= kind not in HARMLESS
                self.world.is_quiet &= kind in WORK
                if self.trace is not None:
                    self._write_down(kind.__name__)
                return

    def _start(self) -> None:
        """Let all processes come up before anything else happens."""
        for adder in self.world.adders:
            adder.task.run_until_idle()
        for relay in self.world.relays:
            relay.task.run_until_idle()
        for member in self.world.members:
            member.hear()
            member.look_at_clock()
            member.fetch(self.world.pick(FETCH_LIMITS))

    def _write_down(self, what: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{CLOCK.now_s:8.2f} {what}")

    def _rest(self) -> None:
        """Let everything that is under way come to its end, stage by stage.

        A connection that was to break at the totalizer's next batch may do so now; nothing else breaks any more.
        """
        world = self.world
        while world.strays:
            world.run_stray()
        world.truth.adder.end_abandoned()
        world.producers()
        world.drop_orphans()
        self._until("every operation is answered", self._is_answered, self._answer)
        if world.is_quiet and world.hears == 1.0:
            self._publish_at_once()
        self._until("every lane is published", self._is_published, self._publish)
        self._until("every partition is read, or halted as it must", self._is_read, self._read)
        self._check_rest()

    def _until(self, goal: str, is_reached: Callable[[], bool], go_on: Callable[[bool], None]) -> None:
        for round_ in range(REST_LIMIT):
            if is_reached():
                self._write_down(goal)
                return
            is_in_time = round_ < QUICK_ROUNDS  # what must happen at once happens before anybody looks at the clock
            if not is_in_time:
                CLOCK.now_s += ROUND_S
            go_on(is_in_time)
        raise Violation(f"it does not come about that {goal}")

    def _is_answered(self) -> bool:
        if any(o.is_waiting or may_send(o) for o in self.world.operations):
            return False
        return all(answer.is_over for adder in self.world.adders for answer in adder.answers)

    def _answer(self, _: bool) -> None:
        for operation in self.world.operations:
            if may_send(operation):
                self.world.send(operation)
        self.world.follow_stopped()
        for adder in self.world.adders:
            adder.task.run_until_idle()

    def _publish_at_once(self) -> None:
        """Where nothing has failed and every announcement was heard, nothing waits for a relay to look at the clock."""
        for _ in range(PROMPT_ROUNDS):
            self._publish(True)
        for row in self.world.truth.adder.lanes.values():
            if row.published_seq != row.last_seq:
                raise Violation(f"{row} waits for a survey to be published to its end")

    def _is_published(self) -> bool:
        store = self.world.truth.adder
        for number, row in store.lanes.items():
            is_done = row.drained or (1, number) in store.advisory
            if row.published_seq != row.last_seq or not is_done:
                return False
        return True

    def _publish(self, _: bool) -> None:
        world = self.world
        world.announce(1.0)
        world.follow_stopped()
        for relay in world.relays:
            relay.task.run_until_idle()
        for producer in world.producers():
            for queue in producer.waiting:
                while queue:
                    producer.arrive(queue)
            while producer.unacknowledged:
                producer.acknowledge(0)

    def _is_read(self) -> bool:
        world = self.world
        for owner in set(world.owners):
            member = world.members[owner]
            halts = isinstance(member.state.phase, Halted)
            if member.group or not (halts or self._has_read(owner)) or self._must_halt(owner) != halts:
                return False
        return True

    def _has_read(self, owner: int) -> bool:
        offsets, logs = self.world.truth.totalizer.offsets, self.world.topic.logs
        for partition, owned_by in enumerate(self.world.owners):
            if owned_by == owner and (offsets[partition].next_offset if partition in offsets else 0) != len(
                logs[partition]
            ):
                return False
        return True

    def _read(self, is_in_time: bool) -> None:
        for member in self.world.members:
            member.hear()
            if not member.has_fetched:
                if not (is_in_time and isinstance(member.state.phase, Consuming)):
                    member.look_at_clock()
                member.fetch(self.world.pick(FETCH_LIMITS))
            member.take()

    def _must_halt(self, owner: int) -> bool:
        """Tell, from what is stored and what Kafka has, whether a member must not read on."""
        topic, offsets = self.world.topic, self.world.truth.totalizer.offsets
        if any(row.topic_id != topic.identity for row in offsets.values()):
            return True
        for partition, owned_by in enumerate(self.world.owners):
            if owned_by == owner:
                row = offsets.get(partition)
                position = row.next_offset if row else 0
                if not topic.first[partition] <= position <= len(topic.logs[partition]):
                    return True
        return False

    def _check_rest(self) -> None:
        """At rest, what was acknowledged is counted, and adder and totalizer agree on every lane."""
        world, truth = self.world, self.world.truth
        if not world.is_harmed and len(truth.adder.lanes) > (adders := world.adders_started):
            raise Violation(f"nothing is wrong, and {adders} adders opened {len(truth.adder.lanes)} lanes")
        halted = {p for p, owner in enumerate(world.owners) if self._must_halt(owner)}
        if world.is_quiet and (heard := [what for member in world.members for what in member.complaints.heard]):
            raise Violation(f"nothing was done but ordinary work, and a totalizer had {heard[0]}")
        if truth.rebuilds and not halted and not truth.has_more():
            audit(world)
        self._check_counted(halted)

    def _check_counted(self, halted: set[int]) -> None:
        """Everything that is kept is counted, but what the totalizer must not read."""
        world, truth = self.world, self.world.truth
        for row in truth.adder.lanes.values():
            mark = truth.totalizer.marks.get(row.lane)
            if row.last_seq and row.partition not in halted and (mark is None or mark.mark < row.last_seq):
                raise Violation(f"{row.lane} has {row.last_seq} additions, counted are {mark}")
        for operation in world.operations:
            if operation.acknowledged:
                position = operation.acknowledged
                place = (position.lane, position.seq)
                if place not in truth.lost and not truth.is_kept(position):
                    raise Violation(f"{place} was acknowledged, and is not in the database")
        for lane, seq in truth.totalizer.parked:
            if not (halted or any((lane, missing) in truth.lost for missing in range(1, seq))):
                raise Violation(f"{lane}:{seq} stays parked")
