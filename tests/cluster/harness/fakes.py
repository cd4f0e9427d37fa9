"""A Kubernetes API in memory, with the verbs of `testing.strimzi_standin.kube.Kube` and one namespace."""

from __future__ import annotations

import copy
import json
import uuid
from pathlib import Path
from typing import Any

from sumflow import topology
from testing.strimzi_standin.names import Object

OBSERVED = Path(__file__).parent / "observed"
NAMESPACE = "sumflow-kafka"


class FakeKube:
    """Objects by kind and name; `calls` has every change in order."""

    def __init__(self, *objects: Object) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.calls: list[tuple[str, str, str]] = []
        for each in objects:
            self._put(each)

    def _put(self, given: Object) -> Object:
        made = copy.deepcopy(given)
        key = (made["kind"], made["metadata"]["name"])
        before: Object = self.objects.get(key) or {"metadata": {"uid": str(uuid.uuid4()), "generation": 1}}
        made["metadata"] |= {k: before["metadata"][k] for k in ("uid", "generation")} | {"namespace": NAMESPACE}
        made.setdefault("apiVersion", "v1")
        if "status" in before:
            made["status"] = before["status"]
        self.objects[key] = made
        return made

    def list(self, kind: str, labels: str = "") -> list[Object]:
        """Return copies of the objects of a kind that carry the labels."""
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        found = [o for (k, _), o in self.objects.items() if k == kind]
        return [copy.deepcopy(o) for o in found if wanted.items() <= o["metadata"].get("labels", {}).items()]

    def apply(self, wanted: Object) -> Object:
        """Put the object, keeping its status."""
        self.calls.append(("apply", wanted["kind"], wanted["metadata"]["name"]))
        return self._put(wanted)

    def create(self, wanted: Object) -> None:
        """Put the object unless it exists."""
        if (wanted["kind"], wanted["metadata"]["name"]) not in self.objects:
            self.calls.append(("create", wanted["kind"], wanted["metadata"]["name"]))
            self._put(wanted)

    def delete(self, kind: str, name: str) -> None:
        """Remove the object."""
        self.calls.append(("delete", kind, name))
        self.objects.pop((kind, name), None)

    def merge(self, kind: str, name: str, patch: Object, part: str = "") -> None:
        """Merge one level below the top, as far as the operators need it."""
        self.calls.append((f"merge {part}".strip(), kind, name))
        for key, value in patch.items():
            self.objects[kind, name][key] = {**self.objects[kind, name].get(key, {}), **copy.deepcopy(value)}

    def names(self, kind: str) -> set[str]:
        """Return the names of all objects of a kind."""
        return {name for k, name in self.objects if k == kind}

    def make_ready(self, kind: str, *names: str) -> None:
        """Do what the kubelet and the controllers do: report pods and Deployments ready."""
        conditions = [{"type": "Ready", "status": "True"}]
        for name in names:
            self.objects[kind, name]["status"] = {"conditions": conditions, "readyReplicas": 1}


def custom_resources(profile: str, *kinds: str) -> list[Object]:
    """Return a profile's custom resources of these kinds, as the API server would hold them."""
    found: list[Object] = [copy.deepcopy(dict(o)) for o in topology.render(profile) if o["kind"] in kinds]
    for each in found:
        each["metadata"] |= {"uid": "12345678-1234-5678-1234-567812345678", "generation": 1}
    return found


def observed(release: str) -> list[dict[str, Any]]:
    """Return what the real operator of this release was seen to make from the specification's Kafka and topic."""
    return [json.loads(line) for line in (OBSERVED / f"{release}.jsonl").read_text().splitlines()]
