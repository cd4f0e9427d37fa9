"""Profiles are found wherever the manifests are, and say what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sumflow import topology
from sumflow.errors import UsageError
from sumflow.topology import profiles
from tests.topology.tree import K8S, PROFILES


def test_the_profiles_and_their_purposes() -> None:
    """All profiles are listed by name, each with one line about its use."""
    known = profiles.profiles()
    assert [each.name for each in known] == sorted(PROFILES)
    assert {each.name: each.purpose.split(":")[0] for each in known} == {
        "dev": "A laptop",
        "kraft": "New clusters",
        "spec": "The specification, literally",
    }


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    """The remedy names the profiles that there are."""
    with pytest.raises(UsageError, match="`prod`") as caught:
        topology.load("prod")
    assert "dev, kraft, spec" in caught.value.remedy


def test_an_explicit_directory_is_used(k8s: Path) -> None:
    """A copy of the manifests elsewhere is read instead of the installed ones, and named in what is read."""
    assert topology.load("dev", k8s).kafka.source.file.startswith(str(k8s))
    assert profiles.manifests_root() == K8S


def test_a_directory_without_manifests_is_refused(tmp_path: Path) -> None:
    """A wrong directory is named, not taken for an empty system."""
    with pytest.raises(UsageError, match="manifests are not there") as caught:
        topology.load("dev", tmp_path)
    assert str(tmp_path) in caught.value.why
