"""Facts of a real broker, and probes through it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from sumflow.settings import Address
from sumflow.sums.event import PROBE_HEADER
from sumflow.verify import broker, database
from sumflow.verify.check import CheckFailedError

pytestmark = pytest.mark.integration


def test_metadata_names_every_broker_and_each_is_reached(kafka_bootstrap: str) -> None:
    """The one broker of the tests is found, reached, and is the controller."""
    cluster = broker.cluster(kafka_bootstrap)
    assert [(seen.address, seen.problem) for seen in cluster.brokers] == [(kafka_bootstrap, None)]
    assert cluster.controller == cluster.brokers[0].id


def test_a_topic_is_described_with_its_settings(kafka_bootstrap: str, make_topic: Callable[[int], str]) -> None:
    """Partitions, replicas, in-sync replicas and settings come out; a topic that is not there is a failure."""
    facts = broker.topic(kafka_bootstrap, make_topic(3))
    assert sorted(facts.partitions) == [0, 1, 2]
    assert all(part.leader >= 0 and part.in_sync == part.replicas for part in facts.partitions.values())
    assert facts.config["retention.ms"] == "604800000"
    with pytest.raises(CheckFailedError, match="cannot be described"):
        broker.topic(kafka_bootstrap, "there-is-no-such-topic")


def test_a_probe_comes_back_and_is_marked(kafka_bootstrap: str, make_topic: Callable[[int], str]) -> None:
    """What is read back is what was sent, from where it was stored, and the record carries the probe's header."""
    name = make_topic(1)
    broker.echo(kafka_bootstrap, name, b"first")
    back = broker.echo(kafka_bootstrap, name, b"second")
    assert (back.partition, back.offset, back.value) == (0, 1, b"second")
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": name, "auto.offset.reset": "error"})
    consumer.assign([TopicPartition(name, 0, 0)])
    record = consumer.poll(10)
    consumer.close()
    assert record is not None
    assert dict(record.headers() or [])[PROBE_HEADER] == b"1"


def test_a_cluster_that_is_away_is_a_failure_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: the failure names the address."""
    monkeypatch.setattr(broker, "_TIMEOUT_S", 0.5)
    with pytest.raises(CheckFailedError, match=r"no broker of 127\.0\.0\.1:1 answers"):
        broker.cluster("127.0.0.1:1")


def test_a_database_tells_who_is_connected(database_url: str) -> None:
    """The session's user, database and version come from the server; a stranger is refused with the server's words."""
    from psycopg.conninfo import conninfo_to_dict

    there = conninfo_to_dict(database_url)
    address = Address(str(there["host"]), int(str(there["port"])))
    name = str(there["dbname"])
    seen = database.session(address, str(there["user"]), str(there.get("password", "")), name)
    assert (seen.user, seen.database, seen.version.split(".")[0]) == (there["user"], name, "16")
    with pytest.raises(CheckFailedError, match="refuses the user nobody-knows"):
        database.session(address, "nobody-knows", "x", name)
