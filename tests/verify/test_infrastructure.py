"""The checklist of the infrastructure: each check passes on what is declared and fails on each way to differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sumflow.topology.model import Topic
from sumflow.verify import infrastructure
from sumflow.verify.check import CheckFailedError, NotApplicable, Outcome, Passed, run_all
from sumflow.verify.target import Broker, Partition, Quorum, TopicFacts
from tests.verify.fake import FOLLOWER, LEADER, FakeTarget, declared_topic


@pytest.mark.parametrize("profile", ["dev", "kraft", "spec"])
def test_a_system_as_declared_passes_everything(profile: str) -> None:
    """In each profile every check passes or does not apply; ZooKeeper and KRaft exclude each other."""
    target = FakeTarget(profile)
    target.kraft = Quorum(0, 4, 90, dict.fromkeys(range(target.topology.kafka.brokers), 90))
    results = list(run_all(infrastructure.checks(target)))
    assert [r.evidence for r in results if r.outcome is Outcome.FAILED] == []
    outcomes = {r.check.sentence.split(" is ")[0]: r.outcome for r in results}
    assert (outcomes["the ZooKeeper ensemble"] is Outcome.PASSED) == (profile == "spec")
    assert (outcomes["the KRaft quorum"] is Outcome.PASSED) == (profile != "spec")


def test_the_specifications_checklist_is_covered() -> None:
    """Every line of the specification's testing checklist has its check, in the specification's order."""
    sentences = [check.sentence for check in infrastructure.checks(FakeTarget("spec"))]
    expected = [
        "all namespaces are created",
        "the Strimzi operator runs",
        "the Kafka cluster is healthy (3 brokers)",
        "the ZooKeeper ensemble is healthy (3 nodes)",
        'the topic "sums" is as declared (6 partitions)',
        "adder-postgres accepts connections as adder",
        "totalizer-postgres accepts connections as totalizer",
        'a test message to "sums" can be produced and consumed',
    ]
    assert [sentence for sentence in sentences if sentence in expected] == expected


def test_a_missing_namespace_is_named() -> None:
    """The failure says which namespace is missing; one machine has none, which is no failure."""
    with pytest.raises(CheckFailedError, match="missing: sumflow-kafka, sumflow-monitoring"):
        infrastructure.namespaces(FakeTarget(all_namespaces=["sumflow"]))
    assert isinstance(infrastructure.namespaces(FakeTarget(all_namespaces=NotApplicable("here"))), NotApplicable)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda target: target.brokers.pop(), "2 of 3 are in the cluster"),
        (lambda target: target.brokers.append(Broker(9, "127.0.0.1:9", None)), "4 of 3"),
        (
            lambda target: target.brokers.__setitem__(1, Broker(1, "127.0.0.1:9093", "Connection refused")),
            "not reachable: 1 at 127.0.0.1:9093: Connection refused",
        ),
        (lambda target: setattr(target, "controller", -1), "no controller"),
    ],
)
def test_brokers_that_are_missing_away_or_without_a_controller_fail(
    spoil: Callable[[FakeTarget], object], message: str
) -> None:
    """Too few, too many, unreachable or leaderless brokers are each told apart."""
    target = FakeTarget()
    spoil(target)
    with pytest.raises(CheckFailedError, match=message):
        infrastructure.brokers(target)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"a": LEADER, "b": FOLLOWER, "c": ""}, "c is not serving"),
        ({"a": LEADER, "b": LEADER, "c": FOLLOWER}, "b is leader"),
        ({"a": FOLLOWER, "b": FOLLOWER, "c": FOLLOWER}, "a is follower"),
        ({"a": LEADER, "b": FOLLOWER}, "b is follower"),
        ({"a": "This ZooKeeper instance is not currently serving requests\n"}, "a is not serving"),
        ({}, "no node is known"),
    ],
)
def test_an_ensemble_needs_one_leader_and_all_followers(nodes: dict[str, str], message: str) -> None:
    """A silent node, two leaders, none, or too few nodes fail, and each node's role is shown."""
    with pytest.raises(CheckFailedError, match=message):
        infrastructure.ensemble(FakeTarget(nodes=nodes))


@pytest.mark.parametrize(
    ("kraft", "message"),
    [
        (Quorum(-1, 4, 90, {0: 90, 1: 90, 2: 90}), "no voter leads"),
        (Quorum(0, 4, 90, {0: 90}), "1 of 3 controllers vote"),
        (Quorum(0, 4, 90, {0: 90, 1: 90, 2: -1}), "heard nothing of 2"),
    ],
)
def test_a_quorum_needs_a_leader_and_all_voters(kraft: Quorum, message: str) -> None:
    """No leader, too few voters or a silent voter fail."""
    with pytest.raises(CheckFailedError, match=message):
        infrastructure.quorum(FakeTarget("kraft", kraft=kraft))


def _sums(target: FakeTarget) -> tuple[Topic, TopicFacts]:
    topic = target.topology.topics[0]
    assert topic.name == "sums"
    return topic, declared_topic(target.topology, "sums")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda facts: replace(facts, partitions=dict(list(facts.partitions.items())[:5])), "5 partitions, declared"),
        (
            lambda facts: replace(facts, partitions={**facts.partitions, 2: Partition(0, [0, 1], [0, 1])}),
            "partition 2: 2 replicas, declared are 3",
        ),
        (
            lambda facts: replace(facts, partitions={**facts.partitions, 4: Partition(0, [0, 1, 2], [0, 1])}),
            "partition 4: not in sync on broker 2",
        ),
        (
            lambda facts: replace(facts, partitions={**facts.partitions, 1: Partition(-1, [0, 1, 2], [0, 1, 2])}),
            "partition 1: no leader",
        ),
        (
            lambda facts: replace(facts, config={**facts.config, "retention.ms": "86400000"}),
            "retention.ms is 86400000, declared is 604800000",
        ),
        (
            lambda facts: replace(facts, partitions=dict.fromkeys(range(6), Partition(0, [0, 1, 2], [0, 2]))),
            "^partitions 0, 1, 2, 3, 4, 5: not in sync on broker 1$",
        ),
        (lambda facts: replace(facts, config={}), "min.insync.replicas is None, declared is 2"),
    ],
)
def test_every_way_a_topic_can_differ_is_named(spoil: Callable[[TopicFacts], TopicFacts], message: str) -> None:
    """Partitions, replicas, in-sync replicas, leaders and each declared setting are compared."""
    target = FakeTarget()
    topic, facts = _sums(target)
    target.topics["sums"] = spoil(facts)
    with pytest.raises(CheckFailedError, match=message):
        infrastructure.topic_as_declared(target, topic)


def test_another_message_than_the_one_sent_fails() -> None:
    """Reading something back is not enough; it must be what was sent."""
    with pytest.raises(CheckFailedError, match="another message stands at sums/3, offset 41"):
        infrastructure.echo(FakeTarget(spoil_echo=True), "sums")
    assert isinstance(infrastructure.echo(FakeTarget(), "sums"), Passed)


def test_another_postgresql_than_declared_fails() -> None:
    """The manifests declare PostgreSQL 16; 15 is a failure, any 16 is not."""
    failed = [r.evidence for r in run_all(infrastructure.checks(FakeTarget(version="15.9"))) if r.outcome == "failed"]
    assert failed == ["PostgreSQL 15.9 answers, declared is 16"] * 2


def test_a_name_that_leads_nowhere_is_named() -> None:
    """The failure says which name, which address and why."""
    with pytest.raises(CheckFailedError, match=r"adder\.sumflow.* -> 127\.0\.0\.1:50051: Connection refused"):
        infrastructure.routes(FakeTarget(route_problem="Connection refused"))


def test_wal_that_is_not_archived_fails_with_the_servers_words() -> None:
    """Nothing refused passes, with backups or without; a refusal says how much waits."""
    target = FakeTarget(unarchived="3 segments wait, 000000010000000000000001 was refused at noon")
    database = target.topology.databases[0]
    with pytest.raises(CheckFailedError, match="3 segments wait"):
        infrastructure.archive(target, database)
    assert isinstance(infrastructure.archive(FakeTarget(), database), Passed)
