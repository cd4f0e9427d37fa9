"""What stops a deployment before anything is created, and what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sumflow import topology
from sumflow.cluster import demand
from sumflow.cluster.demand import Permission, PodRoom
from sumflow.cluster.facts import quota_of
from sumflow.cluster.preflight import Demand, Facts, Finding, ImageAnswer, NodeRoom, OperatorSeen, QuotaSeen, findings
from sumflow.cluster.versions import Version

GIB = 2**30
NODES = tuple(
    NodeRoom(f"node{n}", 4000, 8 * GIB, frozenset({"docker.io/library/sumflow:0.1.0"}), image_count=5)
    for n in (1, 2, 3)
)
DEFINITIONS = {"kafkas.kafka.strimzi.io": frozenset({"v1beta2"})}
FACTS = Facts(Version(1, 34), frozenset({"standard", ""}), NODES, (), (), {})


def _demand(profile: str = "spec") -> Demand:
    rendered = topology.render(profile)
    return Demand(
        topology.load(profile).strimzi,
        demand.pods(rendered),
        demand.storage_classes(rendered),
        frozenset({"sumflow:0.1.0"}),
        DEFINITIONS,
        profile,
    )


def _only(facts: Facts, wanted: Demand | None = None) -> Finding:
    (found,) = findings(facts, wanted or _demand())
    return found


@pytest.mark.parametrize("profile", ["spec", "kraft", "dev"])
def test_a_fitting_cluster_raises_nothing(profile: str) -> None:
    """Three nodes of 4 CPU and 8 GiB, the class `standard` and the image: nothing is in the way."""
    assert findings(FACTS, _demand(profile)) == ()


def test_a_server_that_is_too_old_is_refused() -> None:
    """Strimzi's own minimum decides."""
    assert "needs 1.25" in _only(replace(FACTS, server=Version(1, 24))).what


@pytest.mark.parametrize(("deployed", "refused"), [("kraft", True), ("dev", False), (None, False)])
def test_another_profile_over_a_running_one_is_refused(deployed: str | None, refused: bool) -> None:
    """One operator serves both, so nothing else would stop it before brokers are added or taken away."""
    found = findings(replace(FACTS, profile=deployed), _demand("dev"))
    assert [each.remedy.split(";")[0] for each in found if each.fatal] == ["`--profile kraft`"] * refused


def test_missing_permissions_are_named_one_by_one() -> None:
    """Verb, resource with its group, and where."""
    denied = (Permission("patch", "apps", "statefulsets", "sumflow"), Permission("create", "", "namespaces", ""))
    assert _only(replace(FACTS, denied=denied)).why.splitlines() == [
        "cannot patch statefulsets.apps in the namespace sumflow",
        "cannot create namespaces in the whole cluster",
    ]


def test_a_class_that_is_not_there_is_told_with_those_that_are() -> None:
    """Who asks for it, what there is, and both kinds of missing: named and default."""
    named, default = findings(replace(FACTS, storage_classes=frozenset({"fast"})), _demand())
    assert "no default storage class" in named.what
    assert "PersistentVolumeClaim sumflow/adder-postgres-pvc" in named.why
    assert "`standard`" in default.what
    assert "in this cluster: fast" in default.why


def test_room_is_judged_node_by_node() -> None:
    """A broker of 2 GiB does not fit into three times 1 GiB, though the sum would do for one."""
    small = tuple(replace(node, memory=GIB) for node in NODES)
    found = _only(replace(FACTS, nodes=small))
    assert "kafka-0 (0.5 CPU, 2.0 GiB)" in found.why
    assert "--profile dev" in found.remedy


@pytest.mark.parametrize(
    ("quota", "told"),
    [
        (QuotaSeen("sumflow-kafka", "tight", 3, None, None), "allowed in all: 3 pods"),
        (QuotaSeen("sumflow-kafka", "tight", None, 2000, 2 * GIB), "allowed in all: 2 CPU, 2.0 GiB"),
        (QuotaSeen("sumflow-kafka", "wide", 50, 64000, 64 * GIB), None),
        (QuotaSeen("elsewhere", "tight", 0, 0, 0), None),
    ],
    ids=["pods", "memory", "enough", "of others"],
)
def test_a_quota_is_compared_with_what_is_declared(quota: QuotaSeen, told: str | None) -> None:
    """Brokers that a quota does not admit would only be missed when the operator gives up, minutes later."""
    found = findings(replace(FACTS, quotas=(quota,)), _demand())
    assert [told in each.why for each in found if told] == ([True] if told else [])
    assert len(found) == bool(told)


@pytest.mark.parametrize(
    ("hard", "seen"),
    [
        ({"pods": "4", "limits.memory": "1Gi"}, (4, None, None)),
        ({"count/pods": "1k", "requests.cpu": "1500m", "requests.memory": "2Gi"}, (1000, 1500, 2 * GIB)),
        ({"cpu": 2, "memory": "1Gi", "services": 3}, (None, 2000, GIB)),
        ({}, (None, None, None)),
    ],
)
def test_a_quota_is_read_in_all_its_spellings(hard: dict[str, object], seen: tuple[int | None, ...]) -> None:
    """`cpu` and `requests.cpu` are the same limit, and so are `pods` and `count/pods`; other limits are left out."""
    found = quota_of({"metadata": {"namespace": "sumflow", "name": "q"}, "spec": {"hard": hard}})
    assert (found.pods, found.cpu_m, found.memory) == seen


def test_what_may_not_be_seen_is_no_obstacle() -> None:
    """Without the right to list nodes or classes the deployment goes on, and says what it did not check."""
    found = findings(replace(FACTS, nodes=None, storage_classes=None, operators=None, definitions=None), _demand())
    assert len(found) == 2
    assert not any(each.fatal for each in found)


@pytest.mark.parametrize(
    ("seen", "stops"),
    [
        (OperatorSeen("sumflow-kafka", "strimzi-cluster-operator", "0.44.0", frozenset({"sumflow-kafka"})), False),
        (OperatorSeen("sumflow-kafka", "strimzi-cluster-operator", "1.2.0", frozenset({"sumflow-kafka"})), True),
        (OperatorSeen("kafka", "strimzi-cluster-operator", "0.44.0", frozenset()), True),
        (OperatorSeen("kafka", "strimzi-cluster-operator", "0.43.0", frozenset({"sumflow-kafka"})), True),
        (OperatorSeen("kafka", "strimzi-cluster-operator", "0.44.0", frozenset({"kafka"})), False),
    ],
    ids=["ours", "ours, another release", "watches everything", "watches our namespace", "keeps to its own"],
)
def test_foreign_operators(seen: OperatorSeen, stops: bool) -> None:
    """An operator stops the deployment if it is another release in our place, or looks after our namespace."""
    assert bool(findings(replace(FACTS, operators=(seen,)), _demand())) == stops


def test_definitions_of_another_strimzi_are_refused() -> None:
    """They belong to the whole cluster: replacing them would break whoever installed them."""
    found = _only(replace(FACTS, definitions={"kafkas.kafka.strimzi.io": frozenset({"v1"})}))
    assert found.why == "kafkas.kafka.strimzi.io: serves v1, pinned v1beta2"
    assert findings(replace(FACTS, definitions=DEFINITIONS), _demand()) == ()


def test_an_image_on_no_registry_must_be_on_every_node() -> None:
    """A node without it is named; a full list of images proves nothing; `localhost/` is no registry."""
    bare = replace(NODES[2], images=frozenset())
    assert "missing on node3" in _only(replace(FACTS, nodes=(*NODES[:2], bare))).why
    assert findings(replace(FACTS, nodes=(*NODES[:2], replace(bare, image_count=50))), _demand()) == ()
    built = replace(_demand(), own_images=frozenset({"localhost/sumflow:1"}))
    assert "on no registry" in _only(FACTS, built).what


@pytest.mark.parametrize(
    ("answer", "told", "stops"),
    [
        (ImageAnswer(True, ""), None, False),
        (ImageAnswer(False, "registry.example answers 404"), "is not in its registry", True),
        (ImageAnswer(None, "registry.example answers 401"), "cannot be known from here", False),
    ],
    ids=["there", "missing", "private"],
)
def test_what_a_registry_says_of_an_image(answer: ImageAnswer, told: str | None, stops: bool) -> None:
    """Only a plain no stops the deployment; an answer that proves nothing is told; nodes that have it ask nobody."""
    image = "registry.example/sumflow:1"
    wanted = replace(_demand(), own_images=frozenset({image}))
    found = findings(replace(FACTS, registries={image: answer}), wanted)
    assert [(told in each.what, each.fatal) for each in found if told] == ([(True, stops)] if told else [])
    have = tuple(replace(node, images=frozenset({image})) for node in NODES)
    assert findings(replace(FACTS, nodes=have, registries={image: answer}), wanted) == ()


def test_the_pods_are_counted_from_the_manifests() -> None:
    """The specification's resource summary: three brokers of 2 GiB, three ZooKeeper nodes of 512 MiB, two databases."""
    rooms = demand.pods(topology.render("spec"))
    assert [room for room in rooms if room.memory == 2 * GIB] == [
        PodRoom(f"kafka-{n}", 500, 2 * GIB, "sumflow-kafka") for n in range(3)
    ]
    assert [room.cpu_m for room in rooms if room.name.startswith("zookeeper")] == [250] * 3
    assert len(demand.pods(topology.render("kraft"))) == 3 + 2 + 4
    assert sum(room.memory for room in rooms if room.name == "adder-0") == (192 + 128) * 2**20


def test_permissions_cover_applying_and_looking() -> None:
    """Each kind can be created, read and patched where it is; pods, events and logs can be read to say why."""
    needed = demand.permissions(topology.render("spec"))
    assert Permission("patch", "apps", "statefulsets", "sumflow") in needed
    assert Permission("create", "", "namespaces", "") in needed
    assert Permission("get", "", "pods", "sumflow-kafka", "log") in needed
    assert not any(p.resource == "secrets" and p.namespace != "sumflow" for p in needed)
