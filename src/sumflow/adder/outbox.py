"""The outbox's days: made ahead, dropped whole when they are old and published. No event is ever deleted by itself.

How old something is, the database's clock decides: a relay whose own clock is ahead would forget request ids that are
young, and their retries would count twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import psycopg
import structlog
from psycopg import sql

from sumflow import database
from sumflow.settings import ServiceSettings

DAYS_AHEAD: Final = 3
REQUEST_RETENTION: Final = timedelta(days=7)
FORGET_AT_ONCE: Final = 5_000
FORGET_ROUNDS: Final = 1_000
_LOCK_TIMEOUT: Final = "2s"
"""A change of partitions waits so long for a lock, since commits queue up behind it; the next hour tries again."""

SQL = database.queries("sumflow.adder")
_NAME = re.compile(r"events_(\d{4})(\d{2})(\d{2})")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """Which days to make and which to drop if they are published."""

    make: tuple[date, ...]
    drop: tuple[date, ...]


def name_of(day: date) -> str:
    """Return the name of a day's partition."""
    return f"events_{day:%Y%m%d}"


def day_of(name: str) -> date | None:
    """Return a partition's day, None if it is not one of a day."""
    found = _NAME.fullmatch(name)
    return date(int(found[1]), int(found[2]), int(found[3])) if found else None


def plan(names: Iterable[str], today: date, retention_days: int) -> Plan:
    """Decide from the partitions that exist; a day is kept until all of it is older than the retention."""
    existing = {day for name in names if (day := day_of(name))}
    wanted = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    oldest = today - timedelta(days=retention_days)
    return Plan(
        make=tuple(day for day in wanted if day not in existing),
        drop=tuple(sorted(day for day in existing if day < oldest)),
    )


async def prepare(settings: ServiceSettings) -> None:
    """Make the coming days; raise psycopg.Error if the database cannot be reached."""
    async with await _connect(settings) as connection:
        for day in (await _plan(connection, retention_days=10_000)).make:
            await _make(connection, day)


async def maintain(settings: ServiceSettings, retention_days: int) -> None:
    """Make the coming days, drop the old ones, forget old request ids; raise psycopg.Error if that fails."""
    async with await _connect(settings) as connection:
        todo = await _plan(connection, retention_days)
        for day in todo.make:
            await _make(connection, day)
        for day in todo.drop:
            await _drop(connection, day)
        now = await _now(connection)
        await _empty_default(connection, now - timedelta(days=retention_days + 1))
        await _forget_requests(connection, now - REQUEST_RETENTION)


async def _connect(settings: ServiceSettings) -> psycopg.AsyncConnection:
    info = database.conninfo(settings, "outbox", lock_timeout=_LOCK_TIMEOUT, statement_timeout="60s")
    return await psycopg.AsyncConnection.connect(info, autocommit=True)


async def _plan(connection: psycopg.AsyncConnection, retention_days: int) -> Plan:
    rows = await (await connection.execute(SQL.list_partitions)).fetchall()
    return plan((name for (name,) in rows), (await _now(connection)).date(), retention_days)


async def _now(connection: psycopg.AsyncConnection) -> datetime:
    """Return the database's time, in UTC."""
    ((now,),) = await (await connection.execute(SQL.clock)).fetchall()
    return now.astimezone(UTC)  # type: ignore[no-any-return]


async def _make(connection: psycopg.AsyncConnection, day: date) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    statement = sql.SQL(SQL.create_partition).format(
        partition=sql.Identifier(name_of(day)), start=start, end=start + timedelta(days=1)
    )
    try:
        await connection.execute(statement)
    except (psycopg.errors.CheckViolation, psycopg.errors.LockNotAvailable, psycopg.errors.DuplicateTable) as error:
        # Rows of that day are in the default partition already, or the table is busy: the day stays in the default one.
        _log.warning("partition not made", partition=name_of(day), reason=str(error))


async def _drop(connection: psycopg.AsyncConnection, day: date) -> None:
    partition = sql.Identifier(name_of(day))
    try:
        async with connection.transaction():
            if not await _is_true(connection, sql.SQL(SQL.lock_maintenance)):
                return
            await connection.execute(SQL.hold_writers)
            if await _is_true(connection, sql.SQL(SQL.partition_is_published).format(partition=partition)):
                await connection.execute(sql.SQL(SQL.drop_partition).format(partition=partition))
                _log.info("partition dropped", partition=name_of(day))
            else:
                _log.warning("partition kept: it holds events that are not published", partition=name_of(day))
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable) as error:
        _log.warning("partition not dropped", partition=name_of(day), reason=str(error))


async def _empty_default(connection: psycopg.AsyncConnection, before: datetime) -> None:
    default = sql.Identifier("events_default")
    is_old = sql.SQL(SQL.default_is_old).format(before=before)
    if not await _is_true(connection, is_old):
        return
    async with connection.transaction():
        await connection.execute(SQL.hold_writers)
        is_published = sql.SQL(SQL.partition_is_published).format(partition=default)
        if await _is_true(connection, is_old) and await _is_true(connection, is_published):
            await connection.execute(SQL.empty_default)
            _log.info("default partition emptied")


async def _forget_requests(connection: psycopg.AsyncConnection, before: datetime) -> None:
    for _ in range(FORGET_ROUNDS):
        cursor = await connection.execute(SQL.forget_requests, {"before": before, "limit": FORGET_AT_ONCE})
        if cursor.rowcount < FORGET_AT_ONCE:
            return


async def _is_true(connection: psycopg.AsyncConnection, query: sql.Composable) -> bool:
    row = await (await connection.execute(sql.Composed([query]))).fetchone()
    return bool(row and row[0])
