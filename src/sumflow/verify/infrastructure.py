"""The specification's checklist of the infrastructure: what is declared exists and works."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Final

from sumflow.topology.model import Database, Topic
from sumflow.verify import zookeeper
from sumflow.verify.check import Check, CheckFailedError, Hint, NotApplicable, Passed, Verdict
from sumflow.verify.target import Partition, Target, TopicFacts

CATEGORY: Final = "infrastructure"
_KAFKA_WITHIN_S: Final = 60.0
"""On a cluster Kafka is asked with its own programs in a broker's pod: each is a JVM that shares the broker's CPU."""


def checks(target: Target) -> list[Check]:
    """Return the checks in the specification's order."""
    return [
        *_cluster_wide(target),
        *_kafka(target),
        *(_topic(target, topic) for topic in target.topology.topics),
        *(_database(target, database) for database in target.topology.databases),
        *(_archive(target, database) for database in target.topology.databases),
        _echo(target),
        _routes(target),
    ]


def _cluster_wide(target: Target) -> Iterator[Check]:
    yield Check(
        CATEGORY,
        "all namespaces are created",
        "every other object lives in one of them",
        Hint(f"`{target.commands.repair}` makes them", "a-namespace-is-missing"),
        10,
        lambda: namespaces(target),
    )
    yield Check(
        CATEGORY,
        "the Strimzi operator runs",
        "without it the Kafka custom resources are only text",
        Hint(f"`{target.commands.status}` says why", "the-strimzi-operator-does-not-run"),
        10,
        lambda: _operator(target),
    )


def _kafka(target: Target) -> Iterator[Check]:
    kafka, commands = target.topology.kafka, target.commands
    yield Check(
        CATEGORY,
        f"the Kafka cluster is healthy ({_count(kafka.brokers, 'broker')})",
        "a missing broker means missing copies of what was accepted",
        Hint(
            f"`{commands.status}` shows which broker is away, `{commands.logs['kafka']}` why",
            "a-kafka-broker-is-missing",
        ),
        _KAFKA_WITHIN_S,
        lambda: brokers(target),
    )
    yield Check(
        CATEGORY,
        f"the ZooKeeper ensemble is healthy{_declared(kafka.zookeeper_nodes, 'node')}",
        "without a majority of it no broker can lead a partition",
        Hint(f"`{commands.logs['zookeeper']}` shows the election", "the-zookeeper-ensemble-is-not-healthy"),
        15,
        lambda: ensemble(target),
    )
    yield Check(
        CATEGORY,
        f"the KRaft quorum is healthy{_declared(_controllers(target), 'controller')}",
        "without a majority of it the cluster's metadata cannot change",
        Hint(f"`{commands.logs['kafka']}` shows the election", "the-kraft-quorum-is-not-healthy"),
        15,
        lambda: quorum(target),
    )


def _topic(target: Target, topic: Topic) -> Check:
    return Check(
        CATEGORY,
        f'the topic "{topic.name}" is as declared ({_count(topic.partitions, "partition")})',
        "partitions carry the order, replicas and retention the safety, of what was accepted",
        Hint(
            f"look at the brokers first; `{target.commands.repair}` brings settings back to what is declared",
            "a-topic-is-not-as-declared",
        ),
        _KAFKA_WITHIN_S,
        lambda: topic_as_declared(target, topic),
    )


def _database(target: Target, database: Database) -> Check:
    return Check(
        CATEGORY,
        f"{database.name} accepts connections as {database.user}",
        "its service can neither accept nor count without it",
        Hint(f"`{target.commands.logs[database.name]}` shows its side", "a-database-refuses-connections"),
        10,
        lambda: _session(target, database),
    )


def _archive(target: Target, database: Database) -> Check:
    return Check(
        CATEGORY,
        f"no WAL of {database.name} waits for its archive",
        "backups lead no further than the archive, and what waits fills the database's disk",
        Hint("bring the place of the backups back, or make room there", "wal-waits-for-its-archive"),
        10,
        lambda: archive(target, database),
    )


def _echo(target: Target) -> Check:
    name = target.topology.topics[0].name
    return Check(
        CATEGORY,
        f'a test message to "{name}" can be produced and consumed',
        "healthy brokers that do not pass messages on are of no use",
        Hint("look at the in-sync replicas above: fewer than min.insync.replicas refuse", "messages-do-not-pass"),
        _KAFKA_WITHIN_S,
        lambda: echo(target, name),
    )


def _routes(target: Target) -> Check:
    return Check(
        CATEGORY,
        "every name of the service-discovery table leads to a listening port",
        "services find each other by these names",
        Hint(f"`{target.commands.status}` shows who should listen there", "a-name-leads-nowhere"),
        20,
        lambda: routes(target),
    )


def namespaces(target: Target) -> Verdict:
    """Compare the namespaces with the declared ones."""
    there = target.namespaces()
    if isinstance(there, NotApplicable):
        return there
    if missing := [name for name in target.topology.namespaces if name not in there]:
        raise CheckFailedError(f"missing: {', '.join(missing)}")
    return Passed(", ".join(target.topology.namespaces))


def _operator(target: Target) -> Verdict:
    told = target.operator()
    return told if isinstance(told, NotApplicable) else Passed(told)


def brokers(target: Target) -> Verdict:
    """Compare the cluster's metadata with the declared number of brokers, and try each broker."""
    cluster, declared = target.cluster(), target.topology.kafka.brokers
    addresses = ", ".join(f"{broker.id} at {broker.address}" for broker in cluster.brokers)
    if len(cluster.brokers) != declared:
        raise CheckFailedError(f"{len(cluster.brokers)} of {declared} are in the cluster ({addresses})")
    if away := [f"{broker.id} at {broker.address}: {broker.problem}" for broker in cluster.brokers if broker.problem]:
        raise CheckFailedError(f"not reachable: {'; '.join(away)}")
    if cluster.controller < 0:
        raise CheckFailedError("no controller is elected")
    return Passed(f"{addresses}; controller {cluster.controller}")


def ensemble(target: Target) -> Verdict:
    """Look for one leader that all other declared nodes follow."""
    declared = target.topology.kafka.zookeeper_nodes
    if not declared:
        return NotApplicable(f"Kafka {target.topology.kafka.version} keeps its metadata itself (KRaft)")
    roles = zookeeper.modes(target.zookeeper())
    if problem := zookeeper.problem(roles, declared):
        raise CheckFailedError(problem)
    return Passed(", ".join(f"{name} {role}" for name, role in roles.items()))


def quorum(target: Target) -> Verdict:
    """Look for a leader and as many voters as controllers are declared, each of which follows the log."""
    if target.topology.kafka.zookeeper_nodes:
        return NotApplicable("this profile keeps its metadata in ZooKeeper")
    seen, declared = target.quorum(), _controllers(target)
    if seen.leader not in seen.voters:
        raise CheckFailedError(f"no voter leads (leader {seen.leader}, voters {sorted(seen.voters)})")
    if len(seen.voters) != declared:
        raise CheckFailedError(f"{len(seen.voters)} of {declared} controllers vote")
    if silent := [node for node, log_end in seen.voters.items() if log_end < 0]:
        raise CheckFailedError(f"the leader has heard nothing of {', '.join(map(str, silent))}")
    lag = seen.voters[seen.leader] - min(seen.voters.values())
    return Passed(f"node {seen.leader} leads epoch {seen.epoch}, {_count(declared, 'voter')}, largest lag {lag}")


def topic_as_declared(target: Target, topic: Topic) -> Verdict:
    """Compare partitions, replicas, settings and in-sync replicas with the declaration."""
    facts = target.topic(topic.name)
    if problems := list(_topic_problems(facts, topic)):
        raise CheckFailedError("; ".join(problems))
    settings = ", ".join(f"{key}={value}" for key, value in topic.config.items())
    return Passed(f"{_count(topic.replicas, 'replica')} each, all in sync; {settings or 'no settings declared'}")


def _topic_problems(facts: TopicFacts, topic: Topic) -> Iterator[str]:
    if len(facts.partitions) != topic.partitions:
        yield f"{_count(len(facts.partitions), 'partition')}, declared are {topic.partitions}"
    alike: dict[str, list[int]] = {}
    for number, partition in sorted(facts.partitions.items()):
        for problem in _partition_problems(partition, topic.replicas):
            alike.setdefault(problem, []).append(number)
    for problem, numbers in alike.items():
        yield f"{'partition' if len(numbers) == 1 else 'partitions'} {', '.join(map(str, numbers))}: {problem}"
    for key, value in topic.config.items():
        if facts.config.get(key) != value:
            yield f"{key} is {facts.config.get(key)}, declared is {value}"


def _partition_problems(partition: Partition, replicas: int) -> Iterator[str]:
    if len(partition.replicas) != replicas:
        yield f"{_count(len(partition.replicas), 'replica')}, declared are {replicas}"
    if behind := sorted(set(partition.replicas) - set(partition.in_sync)):
        yield f"not in sync on broker {', '.join(map(str, behind))}"
    if partition.leader < 0:
        yield "no leader"


def _session(target: Target, database: Database) -> Verdict:
    seen = target.session(database)
    _, _, tag = database.workload.containers[0].image.rpartition(":")
    declared = tag.partition("-")[0]
    if seen.version.split(".")[0] != declared.split(".")[0]:
        raise CheckFailedError(f"PostgreSQL {seen.version} answers, declared is {declared}")
    return Passed(f"PostgreSQL {seen.version}, user {seen.user}, database {seen.database}")


def archive(target: Target, database: Database) -> Verdict:
    """Ask the server for what its archive refused since it last took something."""
    if waits := target.session(database).unarchived:
        raise CheckFailedError(waits)
    return Passed("nothing was refused")


def echo(target: Target, topic: str) -> Verdict:
    """Send a message that nobody else has, and look for it where it was stored."""
    value = f"sumflow verify {uuid.uuid4()}".encode()
    back = target.echo(topic, value)
    if back.value != value:
        raise CheckFailedError(f"another message stands at {topic}/{back.partition}, offset {back.offset}")
    return Passed(f"partition {back.partition}, offset {back.offset}; marked as a probe, not counted")


def routes(target: Target) -> Verdict:
    """Try every name."""
    table = target.routes()
    if silent := [f"{route.name} -> {route.address}: {route.problem}" for route in table if route.problem]:
        raise CheckFailedError("; ".join(silent))
    names = {route.name for route in table}
    return Passed(f"{_count(len(names), 'name')}, each accepts connections ({len(table)} addresses)")


def _controllers(target: Target) -> int:
    kafka = target.topology.kafka
    return 0 if kafka.zookeeper_nodes else kafka.controllers or kafka.brokers


def _declared(count: int, noun: str) -> str:
    """Write a declared number in brackets; nothing where none is declared and the check does not apply."""
    return f" ({_count(count, noun)})" if count else ""


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
