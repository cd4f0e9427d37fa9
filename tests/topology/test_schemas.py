"""Every rendered object is valid to the API server that would get it: Kubernetes' own schemas, Strimzi's own CRDs."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from sumflow import topology
from sumflow.topology import kustomize
from tests.topology import crds
from tests.topology.tree import K8S, PROFILES, Manifest, identity

KUBERNETES = ("1.30", "1.34")
"""The oldest Kubernetes that both Strimzi releases run on, and the one that the system was tried on."""

Schema = dict[str, Any]


def _rendered(*, strimzi: bool) -> list[Any]:
    """Return each profile's objects as test parameters, Strimzi's or all others."""
    return [
        pytest.param(profile, found.field.plain(), id=f"{profile}-{found.kind}-{found.name}")
        for profile in PROFILES
        for found in kustomize.build(K8S / "profiles" / profile)
        if (found.identity.group == "kafka.strimzi.io") == strimzi
    ]


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize(("profile", "manifest"), _rendered(strimzi=False))
def test_built_in_kinds_are_valid(profile: str, manifest: Manifest, kubernetes: str) -> None:
    """Kubernetes knows every field of the object, and each has the right type."""
    kubernetes_validate.validate(manifest, kubernetes, strict=True)


@pytest.mark.parametrize("version", crds.GENERATORS)
def test_the_pins_are_those_of_the_release(version: str) -> None:
    """The definitions that Strimzi's own classes generate have exactly the digests that the manifests pin."""
    pins = [topology.load(profile).strimzi for profile in PROFILES]
    (files,) = {tuple(sorted(pin.files.items())) for pin in pins if pin.version == version}
    made = {file: hashlib.sha256(path.read_bytes()).hexdigest() for file, path in crds.generated(version).items()}
    pinned = {path.removeprefix("install/cluster-operator/"): digest for path, digest in files}
    assert made == {file: pinned[file] for file in made}


@pytest.mark.parametrize(("profile", "manifest"), _rendered(strimzi=True))
def test_custom_resources_are_valid(profile: str, manifest: Manifest) -> None:
    """The CRD of the release that the profile pins knows every field of the object, and each has the right type."""
    schema = _schemas(topology.load(profile).strimzi.version)[manifest["kind"], manifest["apiVersion"]]
    jsonschema.Draft202012Validator(schema).validate(manifest)


def test_a_field_that_the_release_does_not_know_is_found() -> None:
    """The check above has teeth: a misspelt field, and a field of another release, make an object invalid."""
    kafka = next(found for found in topology.render("kraft") if found["kind"] == "Kafka")
    schema = _schemas("1.2.0")["Kafka", "kafka.strimzi.io/v1"]
    for field in ("replica", "replicas"):
        spoilt: Any = {**kafka, "spec": {"kafka": {**kafka["spec"]["kafka"], field: 3}}}  # type: ignore[index]
        with pytest.raises(jsonschema.ValidationError, match=field):
            jsonschema.Draft202012Validator(schema).validate(spoilt)


@pytest.mark.parametrize("profile", PROFILES)
def test_everything_carries_the_recommended_labels(profile: str) -> None:
    """Each object, and each pod, says its name, its component and what it is part of, in Kubernetes' own labels."""
    wanted = {f"app.kubernetes.io/{key}" for key in ("name", "component", "part-of")}
    for manifest in topology.render(profile):
        found: Any = manifest
        assert wanted <= found["metadata"]["labels"].keys(), identity(found)
        if found["kind"] in ("Deployment", "StatefulSet"):
            assert wanted <= found["spec"]["template"]["metadata"]["labels"].keys(), identity(found)


@functools.cache
def _schemas(version: str) -> dict[tuple[str, str], Schema]:
    """Return a release's schemas by kind and API version, strict where the API server would drop a field."""
    found = {}
    for path in crds.generated(version).values():
        spec = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]
        for each in spec["versions"]:
            schema = each["schema"]["openAPIV3Schema"]
            found[spec["names"]["kind"], f"{spec['group']}/{each['name']}"] = _strict(schema)
    return found


def _strict(schema: Schema) -> Schema:
    """Refuse what the schema does not list; `metadata` is Kubernetes' own and is checked by the API server."""
    strict = dict(schema)
    if "properties" in schema:
        strict["properties"] = {name: _strict(child) for name, child in schema["properties"].items()}
        if schema["properties"].get("metadata") == {"type": "object"}:
            strict["properties"]["metadata"] = schema["properties"]["metadata"]
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict["additionalProperties"] = False
    if "items" in schema:
        strict["items"] = _strict(schema["items"])
    return strict
