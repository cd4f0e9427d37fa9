"""Clocks that are wrong: they may spoil what people read of times, and nothing that is counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

import sumflow
from sumflow import database
from sumflow.adder import outbox, session
from sumflow.settings import AdderSettings
from tests.adder.support import add, rows, running_writer

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
SUBJECT_TO_JUMPS = ("time.time(", "time.localtime(", "datetime.now()", "datetime.utcnow(")


class _Ahead(datetime):
    """A clock that is four hundred days ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(days=400)


class _Behind(datetime):
    """A clock that stands in the last century."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz).replace(year=1990)


async def test_a_relays_clock_that_is_ahead_makes_nothing_old(
    settings: AdderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Request ids and published days stay, and a retry is still known: the database's clock says what is old."""
    monkeypatch.setattr(outbox, "datetime", _Ahead)
    async with running_writer(settings) as writer:
        first = await add(writer, 20, 22, "id-1")
        rows(settings, "UPDATE lanes SET published_seq = last_seq")
        await outbox.maintain(settings, 7)
        assert await add(writer, 20, 22, "id-1") == first
    assert rows(settings, "SELECT seq, x, y FROM events") == [(1, 20, 22)]


@pytest.mark.parametrize("clock", [_Ahead, _Behind])
async def test_an_adders_clock_that_jumps_moves_no_seq(
    settings: AdderSettings, monkeypatch: pytest.MonkeyPatch, clock: type[datetime]
) -> None:
    """Order and identity are seqs: what is stored while the clock is wrong follows what was stored before."""
    async with running_writer(settings) as writer:
        before = await add(writer, 1, 1)
        with monkeypatch.context() as patched:
            patched.setattr(session, "datetime", clock)
            wrong = await add(writer, 2, 2)
        after = await add(writer, 3, 3)
    assert [p.seq for p in (before, wrong, after)] == [1, 2, 3]
    sql = database.queries("sumflow.adder").read_events.replace("%(number)s", "1").replace("%(after)s", "0")
    read = rows(settings, sql.replace("%(limit)s", "9"))
    assert [row[:3] for row in read] == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    assert abs(read[1][3] - datetime.now(UTC)) > timedelta(days=300)


def test_no_wait_looks_at_a_clock_that_jumps() -> None:
    """Timeouts, retries and adoptions are measured by clocks that only go forward."""
    services = [
        path for name in ("adder", "totalizer", "sums") for path in (Path(sumflow.__file__).parent / name).rglob("*.py")
    ]
    found = [(path.name, call) for path in services for call in SUBJECT_TO_JUMPS if call in path.read_text("utf-8")]
    assert len(services) > 20
    assert found == []
