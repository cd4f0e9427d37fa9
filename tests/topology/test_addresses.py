"""DNS names lead where the mapping says, in every form that Kubernetes understands, and nothing else is touched."""

from __future__ import annotations

import pytest

from sumflow import topology
from sumflow.topology import addresses
from sumflow.topology.model import DnsAddress

ADDER = DnsAddress("adder.sumflow.svc.cluster.local", 50051)
METRICS = DnsAddress("adder.sumflow.svc.cluster.local", 9090)
MAPPING: dict[DnsAddress, DnsAddress | str] = {ADDER: DnsAddress("127.0.0.1", 7001), METRICS: "127.0.0.1:7002"}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("adder.sumflow.svc.cluster.local:50051", "127.0.0.1:7001"),
        ("adder.sumflow.svc:50051", "127.0.0.1:7001"),
        ("adder.sumflow:50051", "127.0.0.1:7001"),
        ("http://adder.sumflow:9090/metrics", "http://127.0.0.1:7002/metrics"),
        ("a=adder.sumflow:50051,b=adder.sumflow.svc:9090", "a=127.0.0.1:7001,b=127.0.0.1:7002"),
        ("user@adder.sumflow:50051", "user@127.0.0.1:7001"),
    ],
)
def test_every_form_is_led_there(text: str, outcome: str) -> None:
    """Full and short names, alone, in lists and in URLs, are replaced."""
    assert addresses.rewrite(text, MAPPING) == outcome


@pytest.mark.parametrize(
    "text",
    [
        "adder.sumflow:50052",
        "adder.sumflow:500511",
        "my-adder.sumflow:50051",
        "x.adder.sumflow:50051",
        "adder.sumflow.svc.cluster.local.:50051",
        "adder.sumflow",
        "adder:50051",
        "sums",
        "",
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    """Another port, a longer name, a name without its port or without its namespace: none is this address."""
    assert addresses.rewrite(text, MAPPING) == text


def test_a_bare_name_works_in_its_own_namespace() -> None:
    """Within a namespace a Service's name is enough; from another one it is not."""
    assert addresses.rewrite("adder:50051", MAPPING, namespace="sumflow") == "127.0.0.1:7001"
    assert addresses.rewrite("adder:50051", MAPPING, namespace="sumflow-kafka") == "adder:50051"


def test_without_a_mapping_nothing_changes() -> None:
    """An empty table replaces nothing."""
    assert addresses.rewrite("adder.sumflow:50051", {}) == "adder.sumflow:50051"


def test_every_declared_address_is_known_once() -> None:
    """Kafka's bootstrap, and each port of each Service, are in the table, each once."""
    found = [str(address) for address in addresses.declared(topology.load("spec"))]
    assert len(found) == len(set(found))
    assert found[0] == "sumflow-kafka-kafka-bootstrap.sumflow-kafka.svc.cluster.local:9092"
    assert {"adder.sumflow.svc.cluster.local:50051", "totalizer.sumflow.svc.cluster.local:8080"} < set(found)
