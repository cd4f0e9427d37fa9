"""PostgreSQL and Kafka as the bring-up makes them, on real servers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from sumflow import steps
from sumflow.errors import SumflowError
from sumflow.local import postgres, process, topics
from sumflow.local.checks import KafkaAnswers, problem_of
from sumflow.topology.model import Source, Topic
from tests.servers import postgres_server, started

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """A server of this module's own, below a directory that only its owner may enter."""
    directory = tmp_path_factory.mktemp("private")
    directory.chmod(0o700)
    with postgres_server(directory, database="adder") as running:
        yield running


def test_the_declared_user_owns_the_declared_database(server: postgres.Server) -> None:
    """The server is a PostgreSQL 16 with the user as superuser, as the postgres image makes it."""
    with psycopg.connect(server.url) as connection:
        row = connection.execute(
            "SELECT current_user::text, current_database()::text, current_setting('server_version_num')::int / 10000,"
            " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
            " (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row == (server.user, "adder", 16, True, "UTF8")


def test_durability_is_not_traded_for_speed(server: postgres.Server) -> None:
    """What was committed is on the disk."""
    with psycopg.connect(server.url) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)


def test_only_the_password_opens_it(server: postgres.Server) -> None:
    """A wrong password is refused, on the one way in that there is."""
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(replace(server, password="wrong").url)
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_a_child_that_outlived_its_server_is_ended_before_the_next_starts(tmp_path: Path) -> None:
    """A backend stands still while its postmaster is killed: no server starts beside it, until it is ended."""
    with postgres_server(tmp_path) as server:
        connection = psycopg.connect(server.url)
        backend = psutil.Process(connection.info.backend_pid)
        postmaster = backend.parent()
        assert postmaster
        backend.suspend()
        postmaster.kill()
        psutil.wait_procs([postmaster])
        assert backend in postgres.strays(server.data)
        again = process.Command(postgres.command(server), tmp_path / "again.log")
        assert process.start(again).wait(20) != 0
        assert "pre-existing shared memory block" in again.log.read_text()
        assert "an earlier server had left" in postgres.end_strays(server.data)
        assert (postgres.end_strays(server.data), postgres.strays(tmp_path / "elsewhere")) == ("", [])
        connection.close()
        with started(server, again.log):
            pass


def test_initialising_again_keeps_the_data(server: postgres.Server) -> None:
    """An existing directory is left as it is; the draft of a killed attempt is no obstacle."""
    before = (server.data / "PG_VERSION").stat().st_mtime_ns
    server.data.with_name("data.new").mkdir(exist_ok=True)
    postgres.initialise(server)
    assert (server.data / "PG_VERSION").stat().st_mtime_ns == before


def test_a_lost_password_is_replaced_and_the_data_stays(tmp_path: Path) -> None:
    """Nobody knows the former password any more: the database takes the new one, with whatever is in it."""
    with postgres_server(tmp_path, database="adder") as running, psycopg.connect(running.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.commit()
    renewed = replace(running, password="it's-new")
    postgres.renew_password(renewed)
    with started(renewed, tmp_path / "again.log"), psycopg.connect(renewed.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_failing_initdb_leaves_nothing_behind(tmp_path: Path) -> None:
    """A refused initialisation is an error with the program's own words, and no directory looks finished."""
    refused = postgres.Server(tmp_path / "data", 1, "pg_reserved", "x", "adder")
    with pytest.raises(SumflowError, match="initdb") as raised:
        postgres.initialise(refused)
    assert "pg_" in raised.value.why
    assert not refused.data.exists()
    assert not list(tmp_path.glob("*.password"))


@pytest.fixture
def declared() -> Topic:
    """A topic that nobody else has."""
    config = {"retention.ms": "604800000", "min.insync.replicas": "1"}
    return Topic(f"t-{uuid.uuid4().hex}", "sumflow-kafka", 2, 1, config, Source("k8s/topic.yaml", 3))


def _state(bootstrap: str, topic: Topic) -> tuple[int, dict[str, str]]:
    """Return a topic's partitions and the values of the configuration that is declared."""
    admin = topics.client(bootstrap)
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    entries = admin.describe_configs([resource])[resource].result(10)
    found = admin.list_topics(topic.name, timeout=10).topics[topic.name]
    return len(found.partitions), {key: entries[key].value for key in topic.config}


def test_a_topic_is_made_as_declared_then_left_alone_then_changed(kafka_bootstrap: str, declared: Topic) -> None:
    """Created, unchanged the second time, grown and reconfigured when the declaration changes."""
    admin = topics.client(kafka_bootstrap)
    topics.apply(admin, [declared])
    assert _state(kafka_bootstrap, declared) == (2, dict(declared.config))
    assert isinstance(topics.topics_ready(admin, [declared]), steps.Ready)
    topics.apply(admin, [declared])
    changed = replace(declared, partitions=3, config={**declared.config, "retention.ms": "1000000"})
    topics.apply(admin, [changed])
    assert _state(kafka_bootstrap, changed) == (3, dict(changed.config))
    admin.delete_topics([declared.name])[declared.name].result(10)


def test_a_topic_is_never_shrunk(kafka_bootstrap: str, declared: Topic) -> None:
    """Fewer partitions than there are is an error that names the manifest, and nothing changes."""
    admin = topics.client(kafka_bootstrap)
    topics.apply(admin, [declared])
    with pytest.raises(SumflowError, match="2 partitions") as raised:
        topics.apply(admin, [replace(declared, partitions=1)])
    assert "k8s/topic.yaml:3" in raised.value.remedy
    assert _state(kafka_bootstrap, declared)[0] == 2
    admin.delete_topics([declared.name])[declared.name].result(10)


def test_a_missing_topic_is_not_yet_ready(kafka_bootstrap: str, declared: Topic) -> None:
    """What does not exist yet is waited for, never an error."""
    seen = topics.topics_ready(topics.client(kafka_bootstrap), [declared])
    assert isinstance(seen, steps.NotYet)
    assert "0 of 2" in seen.reason


def test_a_broker_is_asked_in_its_own_protocol(kafka_bootstrap: str) -> None:
    """The request of the health check is one that a real broker answers."""
    assert problem_of(KafkaAnswers(int(kafka_bootstrap.rpartition(":")[2])), 5) is None


def test_a_cluster_without_its_brokers_is_not_ready(kafka_bootstrap: str) -> None:
    """Fewer brokers than declared, or none that answers, is waited for."""
    few = topics.cluster_ready(topics.client(kafka_bootstrap), 3)
    assert few == steps.NotYet("1 of 3 brokers have joined")
    assert isinstance(topics.cluster_ready(topics.client("127.0.0.1:1"), 1), steps.NotYet)
