"""The machine's view for the checks: names, secrets and nodes become facts."""

from __future__ import annotations

import socket

import pytest

from sumflow import topology
from sumflow.settings import Address
from sumflow.verify.check import CheckFailedError, NotApplicable
from sumflow.verify.on_machine import MachineTarget

KAFKA = "sumflow-kafka-kafka-bootstrap.sumflow-kafka.svc.cluster.local:9092"


def _target(bootstrap: str, **nodes: Address) -> MachineTarget:
    return MachineTarget(topology.load("spec"), {KAFKA: bootstrap}, {}, nodes)


def test_every_address_of_a_name_is_tried() -> None:
    """Kafka's bootstrap stands for all brokers; one that does not listen is told with its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        here = f"127.0.0.1:{listening.getsockname()[1]}"
        routes = _target(f"{here},127.0.0.1:1").routes()
    assert [(route.name, route.address, route.problem is None) for route in routes] == [
        (KAFKA, here, True),
        (KAFKA, "127.0.0.1:1", False),
    ]


def test_a_quorum_that_nobody_answers_for_names_every_broker_asked() -> None:
    """All brokers are tried before the check fails."""
    with pytest.raises(CheckFailedError) as caught:
        _target("127.0.0.1:1,127.0.0.1:2").quorum()
    assert "127.0.0.1:1" in caught.value.why
    assert "127.0.0.1:2" in caught.value.why


def test_a_zookeeper_node_that_is_away_answers_nothing() -> None:
    """An unreachable node is an empty answer, which the check tells from every role."""
    away = Address("127.0.0.1", 1)
    assert _target("127.0.0.1:1", **{"zookeeper-0": away}).zookeeper() == {"zookeeper-0": ""}


def test_what_one_machine_does_not_have_does_not_apply() -> None:
    """Namespaces and the operator are neither passed nor failed, each with a reason."""
    target = _target("127.0.0.1:1")
    for answer in (target.namespaces(), target.operator()):
        assert isinstance(answer, NotApplicable)
        assert answer.reason
