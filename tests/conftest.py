"""Real servers for the tests: one PostgreSQL and one Kafka a session, isolated by database and by topic.

SUMFLOW_TEST_POSTGRES (a URL of a superuser) and SUMFLOW_TEST_KAFKA (host:port) name servers that already run.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests import servers


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL 16 server's URL, as its superuser."""
    if running := os.environ.get("SUMFLOW_TEST_POSTGRES"):
        yield running
        return
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield psycopg.conninfo.make_conninfo(postgres_url, dbname=name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka broker."""
    if running := os.environ.get("SUMFLOW_TEST_KAFKA"):
        yield running
        return
    with servers.kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


@pytest.fixture
def make_topic(kafka_bootstrap: str) -> Iterator[Callable[[int], str]]:
    """Create topics of this test's own; the argument is the number of partitions."""
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    made: list[str] = []

    def make(partitions: int) -> str:
        name = f"t-{uuid.uuid4().hex}"
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        made.append(name)
        return name

    yield make
    for deletion in admin.delete_topics(made).values() if made else ():
        deletion.result(30)
