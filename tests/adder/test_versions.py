"""An adder and a relay beside newer ones on one database: what the older ones leave alone."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from sumflow import database
from sumflow.adder.metrics import AdderMetrics
from sumflow.adder.session import SQL, LaneSession
from sumflow.adder.writer import Writer
from sumflow.settings import AdderSettings
from tests.adder.support import rows

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
MIGRATED = "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('9999', '9999-of-a-newer-version')"


def surveyed(settings: AdderSettings) -> int:
    """Return how many lanes this version's relay would see."""
    with psycopg.connect(database.conninfo(settings, "test"), autocommit=True) as connection:
        asked = {"schema": database.newest_migration("sumflow.adder")}
        return len(connection.execute(SQL.survey.encode(), asked).fetchall())


async def test_an_older_relay_leaves_lanes_to_newer_ones(settings: AdderSettings) -> None:
    """Once a newer version has migrated, an older relay finds no lane to claim: it may not know all of their events."""
    await asyncio.to_thread(database.migrate, settings, "sumflow.adder")
    session = await LaneSession.open(settings)
    assert surveyed(settings) == 1
    rows(settings, MIGRATED)
    assert surveyed(settings) == 0
    await session.discard()


async def test_an_older_adder_opens_no_lane_on_a_newer_database(settings: AdderSettings) -> None:
    """A start is refused with both schemas, and nothing can be acknowledged."""
    await asyncio.to_thread(database.migrate, settings, "sumflow.adder")
    rows(settings, MIGRATED)
    writer = Writer(settings, AdderMetrics(CollectorRegistry()), asyncio.Event())
    with pytest.raises(database.NewerSchemaError, match="9999-of-a-newer-version"):
        await asyncio.wait_for(writer.run(), 20)
    assert rows(settings, "SELECT 1 FROM lanes") == []
