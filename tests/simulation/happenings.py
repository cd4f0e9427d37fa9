"""The ordinary work of a history, in any order: clients, writers, relays, brokers and totalizers go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.simulation.tasks import Task
from tests.simulation.truth import Operation
from tests.simulation.world import World

Happening = Callable[[World], None]


def may_send(operation: Operation) -> bool:
    """Tell whether the client sends the operation now: never again without an id, unless it was told that is safe."""
    if operation.is_waiting or operation.acknowledged:
        return False
    return bool(operation.request_id) or not operation.is_unknown


def client_sends(world: World) -> None:
    """A client sends what is not acknowledged yet, if it may."""
    operation = world.pick(world.operations)
    if may_send(operation):
        world.send(operation)


def writer_goes_on(world: World) -> None:
    """A writer reaches its next await point."""
    _go_on(world, world.pick(world.adders).task)


def relay_goes_on(world: World) -> None:
    """A relay reaches its next await point."""
    world.announce(0.7)
    _go_on(world, world.pick(world.relays).task)


def _go_on(world: World, task: Task) -> None:
    """Often all that it can do; else a statement and its answer, or one half of it, so that others act in between."""
    chance = world.random.random()
    if chance < 0.15:
        task.execute()
    elif chance < 0.4:
        task.step()
    else:
        task.run_until_idle()


def messages_arrive(world: World) -> None:
    """A producer's messages arrive, in one partition, some of them."""
    if producers := [producer for producer in world.producers() if any(producer.waiting)]:
        producer = world.pick(producers)
        queue = max(producer.waiting, key=len) if world.tears_batch else world.pick([q for q in producer.waiting if q])
        if world.tears_batch and len(queue) > 1:
            world.tears_batch = False
            producer.fail(queue)
        for _ in range(world.between(1, len(queue))):
            producer.arrive(queue)


def messages_are_acknowledged(world: World) -> None:
    """A producer hears of some of its messages, in any order."""
    if producers := [producer for producer in world.producers() if producer.unacknowledged]:
        producer = world.pick(producers)
        for _ in range(world.between(1, len(producer.unacknowledged))):
            producer.acknowledge(world.between(0, len(producer.unacknowledged) - 1))


def totalizer_goes_on(world: World) -> None:
    """A totalizer fetches, or counts what it fetched; it may hear from its group before either."""
    member, chance = world.pick(world.members), world.random.random()
    if chance < 0.7:
        member.hear()
    if member.has_fetched:
        member.take()
    else:
        member.look_at_clock()
        member.fetch(world.between(1, 4))
        if chance > 0.5:
            member.take()


WORK: Final[list[Happening]] = [
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
