"""A copy of the manifests that a test may spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sumflow import topology
from sumflow.errors import ManifestError
from tests.topology.tree import K8S

Refusal = Callable[..., ManifestError]


@pytest.fixture
def k8s(tmp_path: Path) -> Path:
    """A copy of the manifests."""
    return Path(shutil.copytree(K8S, tmp_path / "k8s"))


@pytest.fixture
def refusal(k8s: Path) -> Refusal:
    """Replace a text that occurs in a file, load a profile and return the refusal, its line that of `at`."""

    def refuse(file: str, old: str, new: str, *, at: str, profile: str = "kraft", in_file: str = "") -> ManifestError:
        path = k8s / file
        text = path.read_text()
        assert old in text, f"{file} does not say {old!r} any more"
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(ManifestError) as caught:
            topology.load(profile, k8s)
        blamed = k8s / (in_file or file)
        assert caught.value.file == str(blamed)
        assert at in blamed.read_text().splitlines()[caught.value.line - 1]
        return caught.value

    return refuse
