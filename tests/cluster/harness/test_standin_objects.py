"""The stand-in makes what the real operators 0.44.0 and 1.2.0 were seen to make on a real cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from testing.strimzi_standin import certificates, entity, model, objects, pods, status
from testing.strimzi_standin.install import FILES, RELEASES
from testing.strimzi_standin.names import Object
from tests.cluster.harness.fakes import custom_resources, observed

PROFILES = {"0.44.0": "spec", "1.2.0": "kraft"}
CLUSTER_ID = "1aD9MmCOTB-Vysz_ZSBcgw"
MADE_BY_KUBERNETES = {"pod-template-hash"}


def _cluster(release: str) -> model.Cluster:
    kafka, *_ = custom_resources(PROFILES[release], "Kafka")
    images = {RELEASES[release]: f"quay.io/strimzi/kafka:{release}-kafka-{RELEASES[release]}"}
    return model.read(kafka, custom_resources(PROFILES[release], "KafkaNodePool"), images)


def _made(release: str) -> Iterable[Object]:
    cluster = _cluster(release)
    yield from certificates.secrets_of(cluster)
    yield from objects.supporting(cluster, CLUSTER_ID)
    for each in pods.pod_sets(cluster):
        yield from pods.claims(each)
        members = [pods.pod(each, node) for node in each.nodes]
        its_set = pods.pod_set(each, members)
        yield its_set
        yield from ({**p, "owner": f"StrimziPodSet/{its_set['metadata']['name']}"} for p in members)
    for made in entity.entity_operator(cluster, f"quay.io/strimzi/operator:{release}"):
        yield made
        if made["kind"] == "Deployment":
            yield {"kind": "Pod", **made["spec"]["template"], "owner": "ReplicaSet/sumflow-kafka-entity-operator"}


def _ports(listed: list[Object], number: str) -> list[list[Any]]:
    return [[p["name"], p[number]] for p in listed]


def _facts(made: Object) -> dict[str, Any]:
    """Say of a made object what was written down of the observed one."""
    meta, spec = made["metadata"], made.get("spec", {})
    owners = [f"{o['kind']}/{o['name']}" for o in meta.get("ownerReferences", ())]
    facts: dict[str, Any] = {"labels": meta["labels"], "ownedBy": [made["owner"]] if "owner" in made else owners}
    match made["kind"]:
        case "Secret":
            facts["keys"] = sorted(made["data"])
        case "Service":
            headless = spec.get("clusterIP") == "None"
            facts |= {"ports": sorted(_ports(spec["ports"], "port")), "selector": spec["selector"]}
            facts["clusterIP"] = "None" if headless else "yes"
        case "PersistentVolumeClaim":
            facts |= {"size": spec["resources"]["requests"]["storage"], "storageClassName": spec["storageClassName"]}
        case "PodDisruptionBudget":
            facts["spec"] = spec
        case "Pod":
            facts |= {
                "containers": list(map(_container, spec["containers"])),
                "security": spec.get("securityContext", {}),
            }
    return facts


def _container(container: Object) -> Object:
    requests = container.get("resources", {}).get("requests", {})
    ports = sorted(_ports(container["ports"], "containerPort"))
    return {"name": container["name"], "image": container["image"], "ports": ports, "requests": requests}


def _observed_facts(seen: dict[str, Any]) -> dict[str, Any]:
    labels = {key: value for key, value in seen["labels"].items() if key not in MADE_BY_KUBERNETES}
    facts: dict[str, Any] = {"labels": labels, "ownedBy": seen["ownedBy"]}
    for key in ("keys", "ports"):
        if key in seen:
            facts[key] = sorted(seen[key])
    facts |= {key: seen[key] for key in ("selector", "clusterIP", "size", "storageClassName", "spec") if key in seen}
    if seen["kind"] == "Pod":
        facts["security"] = seen["securityContext"]
        facts["ownedBy"] = [owner.rsplit("-", 1)[0] if owner.startswith("Rep") else owner for owner in seen["ownedBy"]]
        facts["containers"] = [
            {
                "name": c["name"],
                "image": c["image"],
                "ports": sorted(c["ports"]),
                "requests": c["resources"].get("requests", {}),
            }
            for c in seen["containers"]
        ]
    return facts


def _identity(kind: str, name: str) -> str:
    generated = kind == "Pod" and "entity-operator" in name
    return f"{kind}/sumflow-kafka-entity-operator" if generated else f"{kind}/{name}"


CUSTOM = {"Kafka", "KafkaTopic", "KafkaNodePool"}
NOT_WRITTEN_DOWN = {"Role", "RoleBinding"}


@pytest.mark.parametrize("release", RELEASES)
def test_objects_are_those_of_the_real_operator(release: str) -> None:
    """Names, labels, owners, Services, ports, selectors, claims, keys, budgets and containers are the observed ones."""
    seen = {_identity(o["kind"], o["name"]): _observed_facts(o) for o in observed(release) if o["kind"] not in CUSTOM}
    made = {
        _identity(o["kind"], o["metadata"].get("name", "entity-operator")): _facts(o)
        for o in _made(release)
        if o["kind"] not in NOT_WRITTEN_DOWN
    }
    assert made.keys() == seen.keys()
    for identity, facts in seen.items():
        assert made[identity] == facts, identity


@pytest.mark.parametrize("release", RELEASES)
def test_ready_status_is_that_of_the_real_operator(release: str) -> None:
    """The status of a ready Kafka and of its node pools has the observed values."""
    cluster = _cluster(release)
    shown = {f"Kafka/{cluster.name}": status.ready(cluster, CLUSTER_ID, release)}
    shown |= {f"KafkaNodePool/{name}": value for name, value in status.node_pools(cluster, CLUSTER_ID).items()}
    for seen in (o for o in observed(release) if o["kind"] in ("Kafka", "KafkaNodePool")):
        wanted = seen["status"] | {"clusterId": CLUSTER_ID}
        wanted.pop("clusterSecurity", None)  # the stand-in has no TLS between brokers, and does not say that it has
        assert not status.differs(shown[f"{seen['kind']}/{seen['name']}"], wanted)


def test_entity_operator_gets_no_more_than_the_operator_has() -> None:
    """The Role of the topic operator holds only what its maker holds: the API server would refuse more."""
    documents = yaml.safe_load_all((FILES / "rbac.yaml").read_text())
    granted = {
        (group, resource, verb)
        for document in documents
        if document["metadata"]["name"] == "strimzi-entity-operator"
        for rule in document["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    for rule in entity.ROLE_RULES:
        wanted = {(g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
        assert wanted <= granted


def test_refuses_a_kafka_that_the_release_does_not_know() -> None:
    """An unknown version is refused in the real operator's words, which name the known ones."""
    kafka, *_ = custom_resources("spec", "Kafka")
    with pytest.raises(model.RejectedError, match=r"Unsupported Kafka.spec.kafka.version: 3.7.0.*4.3.1") as refusal:
        model.read(kafka, [], {"4.3.1": "image"})
    assert refusal.value.reason == "UnsupportedKafkaVersionException"


def test_refuses_a_kraft_cluster_without_node_pools() -> None:
    """A pool that carries another cluster's label does not count."""
    kafka, *_ = custom_resources("kraft", "Kafka")
    pool, *_ = custom_resources("kraft", "KafkaNodePool")
    pool["metadata"]["labels"]["strimzi.io/cluster"] = "another"
    with pytest.raises(model.RejectedError, match="KafkaNodePool"):
        model.read(kafka, [pool], {"4.3.1": "image"})


def test_broker_configuration_is_the_declared_one() -> None:
    """Every key of spec.kafka.config is in server.properties, as Kafka writes values; every broker has its own name."""
    cluster = _cluster("1.2.0")
    texts = pods.pod_sets(cluster)[0].config
    for line in ("min.insync.replicas=2", "auto.create.topics.enable=false", "default.replication.factor=3"):
        assert all(f"\n{line}\n" in text for text in texts)
    for number, text in enumerate(texts):
        name = f"sumflow-kafka-dual-{number}.sumflow-kafka-kafka-brokers.sumflow-kafka.svc.cluster.local"
        assert f"advertised.listeners=REPLICATION://{name}:9091,PLAIN://{name}:9092\n" in text


def test_pod_knows_what_it_was_made_from() -> None:
    """A change of the configuration changes the pod's revision, which is what replaces it; nothing else does."""
    cluster = _cluster("1.2.0")
    before, again = (pods.pod(s, s.nodes[0]) for s in (pods.pod_sets(cluster)[0], pods.pod_sets(_cluster("1.2.0"))[0]))
    assert before == again
    changed = model.Cluster(**{**vars(cluster), "config": {**cluster.config, "min.insync.replicas": 1}})
    after = pods.pod_sets(changed)[0]
    assert pods.pod(after, after.nodes[0])["metadata"]["annotations"] != before["metadata"]["annotations"]
