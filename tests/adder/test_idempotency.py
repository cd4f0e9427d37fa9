"""A request id is counted once, whoever sends it, how often, and through which adder."""

from __future__ import annotations

import asyncio

import grpc
import msgspec
import psycopg
import pytest
from prometheus_client import CollectorRegistry

from sumflow import database
from sumflow.adder import requests
from sumflow.adder.grouping import Known, Placed
from sumflow.adder.metrics import AdderMetrics
from sumflow.adder.requests import Refused
from sumflow.adder.session import LaneSession
from sumflow.settings import AdderSettings
from sumflow.sums.event import Position
from tests.adder.support import add, rows, running_writer, until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_a_retry_gets_the_first_answer(settings: AdderSettings) -> None:
    """One after the other: the same position, one event."""
    async with running_writer(settings) as writer:
        first = await add(writer, 1, 2, "a")
        await add(writer, 5, 5)
        assert await add(writer, 1, 2, "a") == first
    assert rows(settings, "SELECT last_seq FROM lanes") == [(2,)]


async def test_repeats_in_one_group_count_once(settings: AdderSettings) -> None:
    """A hundred copies that arrive together share one event and one answer."""
    async with running_writer(settings) as writer:
        positions = await asyncio.gather(*(add(writer, 1, 2, "a") for _ in range(100)))
    assert len(set(positions)) == 1
    assert rows(settings, "SELECT last_seq FROM lanes") == [(1,)]


async def test_repeats_through_two_adders_count_once(settings: AdderSettings) -> None:
    """Two adders on one database that get the same ids at the same moment, in opposite order, agree on every answer."""
    other = msgspec.structs.replace(settings, instance="adder-1")
    ids = [f"id-{n}" for n in range(400)]
    async with running_writer(settings) as one, running_writer(other) as two:
        answers = await asyncio.gather(
            *(add(one, n, 1, name) for n, name in enumerate(ids)),
            *(add(two, n, 1, name) for n, name in reversed(list(enumerate(ids)))),
        )
    assert answers[:400] == answers[400:][::-1]
    assert rows(settings, "SELECT sum(count), sum(sum) FROM lanes") == [(400, sum(range(400)) + 400)]


async def test_an_id_is_not_for_other_numbers(settings: AdderSettings) -> None:
    """In one group and later: ALREADY_EXISTS with the first numbers, and nothing more is stored."""
    async with running_writer(settings) as writer:
        together = await asyncio.gather(add(writer, 1, 2, "a"), add(writer, 1, 3, "a"), return_exceptions=True)
        with pytest.raises(Refused, match=r"1 \+ 2") as refused:
            await add(writer, 9, 9, "a")
    assert isinstance(together[1], Refused)
    assert {together[1].code, refused.value.code} == {grpc.StatusCode.ALREADY_EXISTS}
    assert rows(settings, "SELECT count(*), sum(x + y) FROM events") == [(1, 3)]


async def test_a_known_id_does_not_hold_up_its_group(settings: AdderSettings) -> None:
    """New requests that arrive with a retry are stored, with seqs as if the retry had not been there."""
    async with running_writer(settings) as writer:
        await add(writer, 1, 2, "a")
        positions = await asyncio.gather(add(writer, 7, 7), add(writer, 1, 2, "a"), add(writer, 8, 8, "b"))
    assert [position.seq for position in positions] == [2, 1, 3]


async def test_a_retry_is_not_counted_as_accepted_again(settings: AdderSettings) -> None:
    """The metric counts what is stored, as the total does: retries in the same group and later ones add nothing."""
    registry = CollectorRegistry()
    async with running_writer(settings, AdderMetrics(registry)) as writer:
        await asyncio.gather(add(writer, 1, 2, "a"), add(writer, 1, 2, "a"), add(writer, 3, 4))
        await add(writer, 1, 2, "a")
    assert rows(settings, "SELECT sum(count) FROM lanes") == [(2,)]
    assert registry.get_sample_value("adder_additions_accepted_total") == 2
    assert registry.get_sample_value("adder_commit_additions_sum") == 2


async def test_ids_that_others_store_meanwhile_are_all_remembered(
    settings: AdderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a group is tried again for one known id, another adder stores the next: each has its first answer."""
    async with running_writer(settings):
        mine, other = await LaneSession.open(settings), await LaneSession.open(settings)
    ids = ["a", "b", "c"]
    stored = {name: await _stored(other, name) for name in ids[:1]}
    look_up = mine._look_up

    async def look_up_late(placed: list[Placed]) -> dict[str, Known]:
        known = await look_up(placed)
        if len(stored) < len(ids) - 1:
            stored["b"] = await _stored(other, "b")
        return known

    monkeypatch.setattr(mine, "_look_up", look_up_late)
    group = [requests.single(1, 2, name, None) for name in ids]
    outcomes = await mine.store(group)
    assert [outcomes[request] for request in group] == [stored["a"], stored["b"], Position(mine.lane, 1)]
    for session in (mine, other):
        await session.discard()


async def _stored(session: LaneSession, request_id: str) -> Position | Refused:
    """Store 1 + 2 under an id; return the answer."""
    (outcome,) = (await session.store([requests.single(1, 2, request_id, None)])).values()
    return outcome


async def test_ids_are_taken_in_one_order(settings: AdderSettings) -> None:
    """Whoever waits for an id has those before it, and none after it: so two adders cannot wait for each other."""
    async with running_writer(settings):
        session = await LaneSession.open(settings)
    taken = "INSERT INTO requests VALUES (%s, gen_random_uuid(), 1, '', 1, 1, now()) ON CONFLICT DO NOTHING"
    info = database.conninfo(settings, "other", lock_timeout="200ms")
    with psycopg.connect(info) as holder, psycopg.connect(info, autocommit=True) as prober:
        holder.execute(taken, ("b",))
        storing = asyncio.create_task(session.store([requests.single(1, 2, name, None) for name in ("c", "b", "a")]))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        await until(lambda: rows(settings, waiting))
        prober.execute(taken, ("d",))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            prober.execute(taken, ("a",))
        prober.execute(taken, ("c",))
        holder.rollback()
    assert [outcome for outcome in (await storing).values() if not isinstance(outcome, Refused)]
    await session.discard()


async def test_a_batchs_id_covers_all_of_it(settings: AdderSettings) -> None:
    """A batch sent again is counted once; one with a number changed is refused."""
    async with running_writer(settings) as writer:
        first = await writer.submit(requests.batch([1, 2, 3], [4, 5, 6], "b", None))
        again = await writer.submit(requests.batch([1, 2, 3], [4, 5, 6], "b", None))
        with pytest.raises(Refused):
            await writer.submit(requests.batch([1, 2, 4], [4, 5, 6], "b", None))
    assert (first, first.seq) == (again, 3)
    assert rows(settings, "SELECT count(*) FROM events") == [(3,)]
