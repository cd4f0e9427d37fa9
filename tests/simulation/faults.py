"""The faults of a history. Each says whether it found something to do harm to; if not, another has its turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tests.simulation import strangers
from tests.simulation.clock import CLOCK
from tests.simulation.happenings import (
    client_sends,
    messages_are_acknowledged,
    messages_arrive,
    something_is_acknowledged,
    time_passes,
)
from tests.simulation.processes import Member
from tests.simulation.rebuilding import adder_database_is_restored, totalizer_database_is_lost, totals_are_rebuilt
from tests.simulation.tasks import Task
from tests.simulation.totalizer_store import STATEMENTS
from tests.simulation.world import World

Fault = Callable[[World], bool]
_STATEMENTS: Final = sorted(STATEMENTS)
OCCASIONS_LIMIT: Final = 3
STATEMENTS_LIMIT: Final = 8
"""A process goes on by so many statements at most before it dies."""
DEPTHS: Final = (1, 1, 2, 3, 6)
"""How many transactions a replica or a backup has not seen."""


def client_gives_up(world: World) -> bool:
    """A client's deadline passes while its request is under way."""
    if waiting := [operation for operation in world.operations if operation.is_waiting]:
        world.give_up(world.pick(waiting))
    return bool(waiting)


def client_sends_twice(world: World) -> bool:
    """A client does not wait for its answer, and sends the same request again, with its id."""
    waiting = [operation for operation in world.operations if operation.is_waiting and operation.request_id]
    return bool(waiting) and world.send(world.pick(waiting))


def client_repeats_acknowledged(world: World) -> bool:
    """A client sends a request again that was answered long ago, with its id."""
    known = [o for o in world.operations if o.acknowledged and o.request_id and not o.is_waiting]
    return bool(known) and world.send(world.pick(known))


def client_uses_an_id_again(world: World) -> bool:
    """A careless client sends something else with an id that it has used."""
    known = [operation for operation in world.operations if operation.request_id]
    if known:
        world.add_rival(world.pick(known))
    return bool(known)


def _go_on_to_some_point(world: World, task: Task, occasions: Sequence[Fault]) -> None:
    """Give a process something to do, and let it go on by some statements; the last is carried out or not."""
    for _ in range(world.between(0, OCCASIONS_LIMIT)):
        world.pick(occasions)(world)
    for _ in range(world.between(0, STATEMENTS_LIMIT)):
        if not task.step():
            return
    if world.random.random() < 0.5:
        task.execute()


def writer_loses_connection(world: World) -> bool:
    """A writer's connection breaks; its last statement was executed, will be, or never is."""
    task = world.pick(world.adders).task
    _go_on_to_some_point(world, task, _WRITES)
    world.cut(task)
    return True


def relay_loses_connection(world: World) -> bool:
    """A relay's connection breaks."""
    task = world.pick(world.relays).task
    _go_on_to_some_point(world, task, _PUBLISHES)
    world.cut(task)
    return True


def adder_is_killed(world: World) -> bool:
    """kill -9 of an adder at an await point."""
    index = world.between(0, len(world.adders) - 1)
    _go_on_to_some_point(world, world.adders[index].task, _WRITES)
    world.kill_adder(index)
    return True


def relay_is_killed(world: World) -> bool:
    """kill -9 of a relay at an await point, its messages on the way."""
    index = world.between(0, len(world.relays) - 1)
    _go_on_to_some_point(world, world.relays[index].task, _PUBLISHES)
    world.kill_relay(index)
    return True


def adder_is_stopped(world: World) -> bool:
    """An adder is asked to end; it answers those who wait, closes its lane, and another takes its place."""
    world.pick(world.adders).stop()
    return True


def relay_is_stopped(world: World) -> bool:
    """A relay is asked to end; it records what was acknowledged, and another takes its place."""
    world.pick(world.relays).stop()
    return True


def stray_statement_runs(world: World) -> bool:
    """The adder's database carries out a statement whose client is gone."""
    if not world.strays:
        return False
    world.run_stray()
    return True


def server_notices_the_dead(world: World) -> bool:
    """The adder's database ends the sessions whose clients are gone."""
    return world.truth.adder.end_abandoned()


def adder_database_crashes(world: World) -> bool:
    """kill -9 of the adder's PostgreSQL: sessions end, commits that did not wait for the disk may be lost."""
    store = world.truth.adder
    store.end_all()
    store.journal.crash(world.between(0, 3))
    return True


def adder_database_fails_over(world: World) -> bool:
    """A replica takes over that has not seen the last commits."""
    world.truth.fail_over(world.pick(DEPTHS))
    return True


def lane_is_closed_by_hand(world: World) -> bool:
    """Somebody closes a lane whose writer lives."""
    store = world.truth.adder
    open_ = [number for number, row in store.lanes.items() if not row.closed and number not in store.row_locks]
    if open_:
        number = world.pick(open_)
        store.journal.commit([(store.lanes, number, store.lanes[number]._replace(closed=True))])
    return bool(open_)


def batch_is_torn(world: World) -> bool:
    """Of a partition's messages the first does not arrive, and some behind it do, now or when there are some."""
    world.tears_batch = True
    messages_arrive(world)
    return True


def orphans_are_dropped(world: World) -> bool:
    """What dead producers had on the way is lost."""
    has_some = any(producer in world.orphans for producer in world.producers())
    world.drop_orphans()
    return has_some


def totalizer_is_killed(world: World) -> bool:
    """kill -9 of a totalizer between fetching and counting."""
    world.kill_member(world.between(0, len(world.members) - 1))
    return True


def totalizer_is_stopped(world: World) -> bool:
    """A totalizer leaves its group, and another comes."""
    index = world.between(0, len(world.members) - 1)
    world.members[index].stop()
    world.kill_member(index)
    return True


def group_rebalances(world: World) -> bool:
    """Partitions change hands while their old owners hold what they fetched."""
    world.rebalance()
    return True


def totalizer_statement_fails(world: World) -> bool:
    """The connection breaks at a statement of some kind, when a transaction next comes to one."""
    _some_member(world).transactions.fails_at = world.pick(_STATEMENTS)
    return True


def totalizer_commit_is_not_answered(world: World) -> bool:
    """The answer to the next COMMIT is lost; it was carried out or not."""
    _some_member(world).transactions.loses_commit = world.random.random() < 0.5
    return True


def _some_member(world: World) -> Member:
    return world.pick(world.members)


def record_arrives_damaged(world: World) -> bool:
    """A consumer cannot read a record, and its client goes on behind it."""
    _some_member(world).client.is_damaged = True
    return True


def totalizer_database_is_restored(world: World) -> bool:
    """The totalizer's database goes back to an earlier state, and nobody tells the consumers.

    Not after the topic was recreated: a database from before it first saw the topic cannot know that there was another.
    """
    return not world.is_recreated and bool(world.truth.totalizer.journal.fall_behind(world.pick(DEPTHS)))


def kafka_offsets_are_lost(world: World) -> bool:
    """The group's offsets in Kafka disappear, or are somebody's invention."""
    for member in world.members:
        member.client.committed = {p: world.between(0, 20) for p in range(len(world.topic.logs))}
    return True


def topic_is_recreated(world: World) -> bool:
    """The topic is deleted and made anew, once offsets are stored for it."""
    if not world.truth.totalizer.offsets:
        return False
    world.topic.recreate(CLOCK.uuid4())
    world.is_recreated = True
    return True


def foreign_event_comes(world: World) -> bool:
    """Another producer of the contract adds something."""
    strangers.write(world.topic, _some_partition(world))
    return True


def foreign_event_comes_again(world: World) -> bool:
    """Another producer sends an event twice, perhaps to another partition."""
    strangers.repeat(world.topic, _some_partition(world))
    return True


def garbage_comes(world: World) -> bool:
    """Somebody writes what is no event."""
    strangers.spoil(world.topic, _some_partition(world))
    return True


def forgery_comes(world: World) -> bool:
    """Somebody writes a lane's event anew under another place, or without some of its headers."""
    return strangers.forge(world.topic)


def probe_comes(world: World) -> bool:
    """Somebody checks whether the brokers take a record."""
    strangers.probe(world.topic, _some_partition(world))
    return True


def _some_partition(world: World) -> int:
    return world.between(0, len(world.topic.logs) - 1)


def retention_passes(world: World) -> bool:
    """Kafka deletes the oldest records, counted or not, perhaps before anybody has read the partition."""
    offsets, topic = world.truth.totalizer.offsets, world.topic
    if known := [p for p, log in enumerate(topic.logs) if topic.first[p] < len(log)]:
        partition = max(known, key=lambda p: len(topic.logs[p]) - (offsets[p].next_offset if p in offsets else 0))
        topic.first[partition] = world.between(topic.first[partition] + 1, len(topic.logs[partition]))
    return bool(known)


_WRITES: Final = (client_sends, client_sends, client_repeats_acknowledged, client_sends_twice, adder_is_stopped)
_PUBLISHES: Final = (time_passes, something_is_acknowledged, messages_are_acknowledged, relay_is_stopped)

FAULTS: Final[list[Fault]] = [
    client_gives_up,
    client_sends_twice,
    client_repeats_acknowledged,
    client_uses_an_id_again,
    writer_loses_connection,
    writer_loses_connection,
    writer_loses_connection,
    relay_loses_connection,
    adder_is_killed,
    adder_is_killed,
    relay_is_killed,
    relay_is_killed,
    relay_is_killed,
    adder_is_stopped,
    relay_is_stopped,
    totalizer_is_stopped,
    adder_database_crashes,
    adder_database_fails_over,
    lane_is_closed_by_hand,
    batch_is_torn,
    batch_is_torn,
    totalizer_is_killed,
    group_rebalances,
    totalizer_statement_fails,
    totalizer_statement_fails,
    totalizer_commit_is_not_answered,
    record_arrives_damaged,
    totalizer_database_is_restored,
    totalizer_database_is_restored,
    totalizer_database_is_restored,
    totalizer_database_is_restored,
    kafka_offsets_are_lost,
    topic_is_recreated,
    retention_passes,
    totals_are_rebuilt,
    totalizer_database_is_lost,
    adder_database_is_restored,
    foreign_event_comes,
    foreign_event_comes_again,
    garbage_comes,
    forgery_comes,
    probe_comes,
]
"""The more often one stands here, the more often it is picked."""

IN_GOOD_ORDER: Final[list[Fault]] = [adder_is_stopped, relay_is_stopped, totalizer_is_stopped]
"""Faults that no client may notice."""

AFTERMATH: Final[list[Fault]] = [stray_statement_runs, server_notices_the_dead, orphans_are_dropped]
"""What follows from other faults, at some time."""
