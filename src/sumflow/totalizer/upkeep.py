"""What the consumer does beside the batches, in small transactions: offsets made known, days turned, gauges set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from sumflow.database import newest_migration, queries, refuse_newer
from sumflow.totalizer.metrics import Metrics
from sumflow.totalizer.positions import StoredOffset, TopicFacts

_sql: Final = queries("sumflow.totalizer")
_PARTITION_PREFIX: Final = "processed_events_"


class OlderSchemaError(Exception):
    """The database lacks migrations that it had when this process started: it was restored to an earlier state."""


def check_schema(connection: Connection[TupleRow]) -> None:
    """Raise NewerSchemaError if a newer version has taken the database over, OlderSchemaError if some are missing."""
    ((found,),) = connection.execute(_sql.schema).fetchall()
    refuse_newer(found, "sumflow.totalizer")
    if found != newest_migration("sumflow.totalizer"):
        raise OlderSchemaError(f"its newest migration is {found}")


def stored_offsets(connection: Connection[TupleRow], topic: str) -> dict[int, StoredOffset]:
    """Return where reading goes on, for each partition that was ever read."""
    rows = connection.execute(_sql.stored_offsets, {"topic": topic})
    return {partition: StoredOffset(next_offset, topic_id) for partition, next_offset, topic_id in rows}


def register(connection: Connection[TupleRow], topic: str, facts: TopicFacts, positions: Mapping[int, int]) -> None:
    """Make partitions known that are read for the first time."""
    for partition in sorted(positions):
        row = {
            "topic": topic,
            "partition": partition,
            "topic_id": facts.topic_id,
            "next_offset": positions[partition],
            "end_offset": facts.end_offsets[partition],
        }
        connection.execute(_sql.register_offset, row)


def store_end_offsets(connection: Connection[TupleRow], topic: str, end_offsets: Mapping[int, int]) -> None:
    """Remember where the partitions end, so that the lag is known even while nothing is read."""
    columns = {"topic": topic, "partitions": list(end_offsets), "end_offsets": list(end_offsets.values())}
    connection.execute(_sql.store_end_offsets, columns)


def show_parked(connection: Connection[TupleRow], metrics: Metrics) -> None:
    """Set the gauges of what is parked, in the whole database."""
    for oldest_s, count in connection.execute(_sql.oldest_parked):
        metrics.oldest_parked_seconds.set(oldest_s)
        metrics.parked.set(count)


def show_unexplained(connection: Connection[TupleRow], metrics: Metrics) -> None:
    """Set the gauge of what the totalizer can audit alone; a row that is gone explains nothing."""
    rows = connection.execute(_sql.unexplained).fetchall()
    metrics.unexplained.set(1 if rows != [(False,)] else 0)


def turn_day(connection: Connection[TupleRow], retention_days: int) -> None:
    """Begin a new day's partition of processed_events when the day is over, and drop those past their retention."""
    over, today = connection.execute(_sql.lock_day).fetchall()[0]
    if over:
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF processed_events FOR VALUES IN ({})").format(
                sql.Identifier(partition_name(today)), sql.Literal(today)
            )
        )
        connection.execute(_sql.turn_day, {"day": today})
        names = [name for (name,) in connection.execute(_sql.days)]
        for name in expired(names, today, retention_days):
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def partition_name(day: date) -> str:
    """Return the name of a day's partition; names sort as their days."""
    return f"{_PARTITION_PREFIX}{day:%Y%m%d}"


def expired(names: list[str], today: date, retention_days: int) -> list[str]:
    """Return the partitions of days more than `retention_days` ago."""
    oldest_kept = partition_name(today - timedelta(days=retention_days))
    return [name for name in names if name < oldest_kept]
