"""What counts as a difference, what conflicts say, and what is applied for a declared object."""

from __future__ import annotations

import copy
from typing import Any

from sumflow import topology
from sumflow.cluster import conflicts, passwords, settle
from sumflow.cluster.difference import Change, changes
from sumflow.cluster.objects import CREATED_BY, Ref

NOBODY: frozenset[tuple[str, str, str]] = frozenset()


def _find(kind: str, name: str, profile: str = "spec") -> dict[str, Any]:
    return next(
        copy.deepcopy(each)
        for each in topology.render(profile)
        if (ref := Ref.of(each)).kind == kind and ref.name == name
    )


def test_what_the_server_keeps_is_no_difference() -> None:
    """Status, generation, managed fields and the like never make a second run change anything."""
    declared = _find("Deployment", "adder")
    live = copy.deepcopy(declared)
    live["metadata"] |= {"resourceVersion": "7", "generation": 3, "uid": "u", "managedFields": [{"manager": "sumflow"}]}
    live["status"] = {"replicas": 2}
    assert changes(live, declared) == ()


def test_fields_are_named_as_a_reader_would_look_for_them() -> None:
    """List items are found by their name, not by their place."""
    declared = _find("Deployment", "adder")
    live = copy.deepcopy(declared)
    containers = live["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "sumflow:0.0.9"
    containers.reverse()
    assert changes(live, declared) == (
        Change("spec.template.spec.containers[name=adder].image", "sumflow:0.0.9", "sumflow:0.1.0"),
    )


def test_what_is_added_and_removed_is_told() -> None:
    """None stands for a field that is not there; keys with dots are quoted."""
    before = {"kind": "KafkaTopic", "metadata": {"name": "sums"}, "spec": {"config": {"retention.ms": 1}}}
    after = {"kind": "KafkaTopic", "metadata": {"name": "sums"}, "spec": {"partitions": 6, "config": {}}}
    assert changes(before, after) == (
        Change('spec.config."retention.ms"', 1, None),
        Change("spec.partitions", None, 6),
    )


def test_a_secrets_values_are_never_shown() -> None:
    """That a password differs is told, the password is not."""
    before = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"POSTGRES_PASSWORD": "b2xk"}}
    after = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"POSTGRES_PASSWORD": "bmV3"}}
    (change,) = changes(before, after)
    assert change.path == "data.POSTGRES_PASSWORD"
    assert "b2xk" not in repr(change)
    assert "bmV3" not in repr(change)


def test_conflicts_are_told_field_by_field() -> None:
    """The API server's causes become one line a field, with who manages it."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "field": ".spec.replicas",
            "message": 'conflict with "kubectl" with subresource "scale" using apps/v1',
        },
        {"reason": "FieldManagerConflict", "field": ".spec.paused", "message": 'conflict with "argocd" using apps/v1'},
    ]
    found = conflicts.read({"reason": "Conflict", "details": {"causes": causes}})
    error = conflicts.ConflictError(Ref.of(_find("Deployment", "adder")), found)
    assert error.why.splitlines() == [
        "spec.replicas is managed by kubectl (through scale)",
        "spec.paused is managed by argocd",
    ]
    assert "--force-conflicts" in error.remedy


def test_a_placeholder_never_lands() -> None:
    """On the first deployment the password is made, and everything else is as declared."""
    made = settle.settled(_find("Secret", "adder-postgres-secret"), None, scaled=NOBODY, generate=lambda: "made")
    assert "stringData" not in made
    assert passwords.decoded(made["data"]) == {
        "POSTGRES_USER": "adder",
        "POSTGRES_PASSWORD": "made",
        "POSTGRES_DB": "adder",
    }


def test_a_generated_password_is_kept() -> None:
    """A later run applies the password that is there; a declared value that changed still changes."""
    live = {"metadata": {}, "data": passwords.encoded({"POSTGRES_PASSWORD": "kept", "POSTGRES_DB": "old"})}
    made = settle.settled(_find("Secret", "adder-postgres-secret"), live, scaled=NOBODY, generate=lambda: "made")
    assert passwords.decoded(made["data"])["POSTGRES_PASSWORD"] == "kept"
    assert passwords.decoded(made["data"])["POSTGRES_DB"] == "adder"


def test_a_password_that_was_given_is_not_replaced() -> None:
    """Who writes a password of their own into the manifest gets that one."""
    declared = _find("Secret", "adder-postgres-secret")
    declared["stringData"]["POSTGRES_PASSWORD"] = "my own"
    made = settle.settled(declared, None, scaled=NOBODY)
    assert passwords.decoded(made["data"])["POSTGRES_PASSWORD"] == "my own"


def test_passwords_are_long_and_never_the_same() -> None:
    """192 bits each, in letters that neither a shell nor a connection string minds."""
    assert len({passwords.generate() for _ in range(50)}) == 50
    assert all(len(p) == 32 and p.replace("-", "").replace("_", "").isalnum() for p in [passwords.generate()])


def test_an_autoscalers_decision_stands() -> None:
    """Where an autoscaler decides, the replicas that are there are applied: neither a rollback nor a conflict."""
    rendered = topology.render("spec")
    declared = _find("Deployment", "adder")
    live = copy.deepcopy(declared)
    live["spec"]["replicas"] = 7
    assert settle.settled(declared, live, scaled=settle.scaled_by_others(rendered))["spec"]["replicas"] == 7
    assert settle.settled(declared, None, scaled=settle.scaled_by_others(rendered))["spec"]["replicas"] == 2
    assert settle.settled(declared, live, scaled=NOBODY)["spec"]["replicas"] == 2


def test_a_workload_that_was_scaled_to_nothing_comes_back() -> None:
    """With no copy at all an autoscaler is switched off: left as it is, nothing would ever bring the workload back."""
    declared = _find("Deployment", "adder")
    live = copy.deepcopy(declared)
    live["spec"]["replicas"] = 0
    scaled = settle.scaled_by_others(topology.render("spec"))
    assert settle.settled(declared, live, scaled=scaled)["spec"]["replicas"] == 2


def test_the_mark_of_creation_is_given_once_and_kept() -> None:
    """What deploy creates is marked; what was there before is changed, not claimed."""
    declared = _find("Namespace", "sumflow")
    created = settle.settled(declared, None, scaled=NOBODY)
    assert created["metadata"]["annotations"] == {CREATED_BY: "sumflow"}
    assert settle.settled(declared, created, scaled=NOBODY) == created
    assert settle.settled(declared, declared, scaled=NOBODY) == declared


def test_an_image_reference_reaches_every_own_container_and_no_other() -> None:
    """--image replaces SumFlow's image in all its containers, and leaves PostgreSQL's alone."""
    objects = settle.with_image(topology.render("spec"), "registry.example/sumflow:1")
    images = [
        container["image"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet")
        for container in each["spec"]["template"]["spec"]["containers"]
    ]
    assert sorted(images) == ["postgres:16-alpine"] * 2 + ["registry.example/sumflow:1"] * 3
