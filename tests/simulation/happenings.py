"""The ordinary work of a history, in any order: clients, writers, relays, brokers and totalizers go on.

Each says whether there was something to do for it; if not, another has its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.simulation.clock import CLOCK
from tests.simulation.tasks import Task
from tests.simulation.truth import Operation
from tests.simulation.world import World

Happening = Callable[[World], bool]
LONGEST_LULL_S: Final = 8.0


def may_send(operation: Operation) -> bool:
    """Tell whether the client sends the operation now: never again without an id, unless it was told that is safe."""
    if operation.is_waiting or operation.acknowledged or operation.is_refused:
        return False
    return bool(operation.request_id) or not operation.is_unknown


def client_sends(world: World) -> bool:
    """A client sends what is not acknowledged yet, if it may."""
    open_ = [operation for operation in world.operations if may_send(operation)]
    return bool(open_) and world.send(world.pick(open_))


def writer_goes_on(world: World) -> bool:
    """A writer reaches its next await point."""
    return _one_goes_on(world, [adder.task for adder in world.adders])


def relay_goes_on(world: World) -> bool:
    """A relay reaches its next await point."""
    world.announce(world.hears)
    return _one_goes_on(world, [relay.task for relay in world.relays])


def _one_goes_on(world: World, tasks: list[Task]) -> bool:
    """Often all that it can do; else a statement and its answer, or one half of it, so that others act in between."""
    world.follow_stopped()
    awake = [task for task in tasks if task.is_awake]
    if not awake:
        return False
    task, chance = world.pick(awake), world.random.random()
    if chance < 0.15:
        return task.execute()
    return task.step() if chance < 0.4 else task.run_until_idle()


def messages_arrive(world: World) -> bool:
    """A producer's messages arrive, in one partition, some of them."""
    producers = [producer for producer in world.producers() if any(producer.waiting)]
    if producers:
        producer = world.pick(producers)
        queue = max(producer.waiting, key=len) if world.tears_batch else world.pick([q for q in producer.waiting if q])
        if world.tears_batch and len(queue) > 1:
            world.tears_batch = False
            producer.fail(queue)
        for _ in range(world.between(1, len(queue))):
            producer.arrive(queue)
    return bool(producers)


def messages_are_acknowledged(world: World) -> bool:
    """A producer hears of some of its messages, in any order."""
    producers = [producer for producer in world.producers() if producer.unacknowledged]
    if producers:
        producer = world.pick(producers)
        for _ in range(world.between(1, len(producer.unacknowledged))):
            producer.acknowledge(world.between(0, len(producer.unacknowledged) - 1))
    return bool(producers)


def totalizer_goes_on(world: World) -> bool:
    """A totalizer fetches, or counts what it fetched; it may hear from its group before either."""
    member, chance = world.pick(world.members), world.random.random()
    if chance < 0.7:
        member.hear()
    if not member.has_fetched:
        member.look_at_clock()
        member.fetch(world.between(1, 4))
        if chance <= 0.5 or not member.has_fetched:
            return member.has_fetched
    member.take()
    return True


def time_passes(_: World) -> bool:
    """Nobody does anything for a while: what waits for the clock is due."""
    CLOCK.now_s += CLOCK.uniform(0.0, LONGEST_LULL_S)
    return True


def something_is_acknowledged(world: World) -> bool:
    """An addition goes some of its way to the topic, or all of it."""
    for happening in (client_sends, writer_goes_on, relay_goes_on, messages_arrive, messages_are_acknowledged):
        happening(world)
    return True


WORK: Final[list[Happening]] = [
    time_passes,
    client_sends,
    client_sends,
    writer_goes_on,
    writer_goes_on,
    relay_goes_on,
    relay_goes_on,
    messages_arrive,
    messages_are_acknowledged,
    totalizer_goes_on,
    totalizer_goes_on,
]
"""As often as they stand here."""
