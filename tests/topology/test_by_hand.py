"""docs/kubernetes-by-hand.md can be followed: its files exist, nothing is forgotten, the order is the specified one."""

from __future__ import annotations

import re

from sumflow import topology
from tests.topology import specification
from tests.topology.tree import ROOT, Manifest, declaring_files, documents, identity

TEXT = (ROOT / "docs/kubernetes-by-hand.md").read_text()
APPLIED = re.findall(r"kubectl apply -f (k8s/\S+)", TEXT)


def test_the_order_is_the_specified_one() -> None:
    """The files of the specification's deployment order are applied in that order."""
    commands = specification.commands("Deployment Order")
    specified = [match.group(1) for each in commands if (match := re.search(r"apply -f (k8s/\S+)", each))]
    assert [path for path in APPLIED if path in specified] == specified


def test_nothing_is_forgotten() -> None:
    """What is applied by hand is the whole profile, each object once."""
    applied = []
    for path in APPLIED:
        place = ROOT / path
        files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
        applied += [identity(document) for file in files for document in documents(file)]
    rendered: list[Manifest] = topology.render("spec")
    assert sorted(applied) == sorted(identity(found) for found in rendered)


def test_what_is_waited_for_exists() -> None:
    """Each workload and resource that a command names is declared, or is the operator's own."""
    declared = {
        f"{document['kind'].lower()}/{document['metadata']['name']}"
        for path in declaring_files()
        for document in documents(path)
    }
    named = set(re.findall(r"(?:status|wait) ((?:deployment|statefulset|kafka)/\S+)", TEXT))
    assert named - declared == {"deployment/strimzi-cluster-operator"}
    assert len(named) == 6
