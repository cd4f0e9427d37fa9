"""A totalizer's surroundings for tests: its own database, its own topic, and settings that name both."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sumflow.database import migrate
from sumflow.settings import Address, TotalizerSettings
from tests.ports import free_address
from tests.totalizer.bench import Bench


def settings_for(database_url: str, bootstrap: str, topic: str) -> TotalizerSettings:
    """Return the settings of one totalizer."""
    told = conninfo_to_dict(database_url)
    return TotalizerSettings(
        postgres_address=Address(str(told["host"]), int(told["port"] or 5432)),
        postgres_user=str(told["user"]),
        postgres_password=str(told.get("password") or ""),
        postgres_db=str(told["dbname"]),
        metrics_listen=free_address(),
        instance=f"totalizer-{uuid.uuid4().hex[:6]}",
        http_listen=free_address(),
        kafka_bootstrap_servers=bootstrap,
        kafka_topic=topic,
        kafka_group=f"group-{topic}",
    )


@pytest.fixture
def settings(database_url: str) -> TotalizerSettings:
    """Settings of a totalizer with a database of its own, migrated, and no broker."""
    made = settings_for(database_url, "127.0.0.1:1", "sums")
    migrate(made, "sumflow.totalizer")
    return made


@pytest.fixture
def database(settings: TotalizerSettings, database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to that database, in autocommit."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def bench(database_url: str, kafka_bootstrap: str, make_topic: Callable[[int], str]) -> Iterator[Bench]:
    """A database and a topic of three partitions, with totalizers on demand."""
    made = settings_for(database_url, kafka_bootstrap, make_topic(3))
    migrate(made, "sumflow.totalizer")
    with psycopg.connect(database_url, autocommit=True) as connection:
        bench = Bench(made, connection)
        yield bench
        bench.close()
