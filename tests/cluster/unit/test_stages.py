"""The specification's order of deployment, as a value, from the manifests themselves."""

from __future__ import annotations

import pytest

from sumflow import topology
from sumflow.cluster import rotation, stages
from sumflow.cluster.objects import Object, Ref
from sumflow.cluster.stages import Stage

OPERATOR = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "strimzi-cluster-operator"}}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "kafkas.kafka.strimzi.io"},
}


def _plan(profile: str) -> dict[str, Stage]:
    return {stage.name: stage for stage in stages.plan(topology.render(profile), [OPERATOR, DEFINITION])}


@pytest.mark.parametrize("profile", ["spec", "kraft", "dev"])
def test_the_stages_are_the_specifications(profile: str) -> None:
    """Namespaces, operator, Kafka, topics, PostgreSQL, then the services, each after what it needs."""
    plan = _plan(profile)
    assert {name: stage.after for name, stage in plan.items()} == {
        "namespaces": (),
        "Strimzi operator": ("namespaces",),
        "Kafka cluster": ("Strimzi operator",),
        "topics": ("Kafka cluster",),
        "PostgreSQL": ("namespaces",),
        "services": ("topics", "PostgreSQL"),
    }
    assert (plan["Strimzi operator"].within_s, plan["Kafka cluster"].within_s) == (300, 600)


@pytest.mark.parametrize("profile", ["spec", "kraft", "dev"])
def test_every_object_is_in_one_stage(profile: str) -> None:
    """Nothing that is rendered gets lost, and nothing is applied twice."""
    placed = [Ref.of(each) for stage in _plan(profile).values() for each in stage.objects]
    given: list[Object] = [*topology.render(profile), OPERATOR, DEFINITION]
    assert sorted(placed) == sorted(Ref.of(each) for each in given)


def test_definitions_come_before_what_uses_them() -> None:
    """Within the operator's stage the definitions are applied before the operator that watches them."""
    kinds = [each["kind"] for each in _plan("kraft")["Strimzi operator"].objects]
    assert kinds.index("CustomResourceDefinition") < kinds.index("Deployment")


def test_secrets_come_before_the_databases_that_read_them() -> None:
    """A pod never starts without its password."""
    kinds = [each["kind"] for each in _plan("spec")["PostgreSQL"].objects]
    assert max(i for i, k in enumerate(kinds) if k == "Secret") < kinds.index("StatefulSet")


def test_needs_are_passed_on_over_a_missing_stage() -> None:
    """Without topics the services wait for the Kafka cluster itself."""
    rendered = [each for each in topology.render("spec") if each["kind"] != "KafkaTopic"]
    plan = {stage.name: stage for stage in stages.plan(rendered, [OPERATOR])}
    assert plan["services"].after == ("Kafka cluster", "PostgreSQL")


def test_pods_follow_the_settings_that_they_have_read() -> None:
    """A ConfigMap that was put right reaches the service that reads it, and no other; a Secret is `rotate`'s affair."""
    changed = [Ref("", "v1", kind, "sumflow", name) for kind, name in (("ConfigMap", "adder-config"), ("Secret", "s"))]
    followers = rotation.readers(_plan("spec")["services"].objects, changed)
    assert [ref.typed_name for ref in followers] == ["deployment.apps/adder"]
    assert rotation.readers(_plan("spec")["services"].objects, changed[1:]) == ()
