"""Where the manifests are, and plain ways to look at them that do not use the reader under test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
PROFILES = ("spec", "kraft", "dev")
KUBECTL = Path(sys.executable).with_name("kubectl")

APART = ("profiles", "rbac")
"""Directories that declare nothing of the system: the choice of manifests, and the rights of whoever deploys them."""

Manifest = dict[str, Any]


def declaring_files() -> list[Path]:
    """Return the files that declare the system's objects."""
    return [path for path in sorted(K8S.rglob("*.yaml")) if path.relative_to(K8S).parts[0] not in APART]


def documents(path: Path) -> list[Manifest]:
    """Return the objects of a file, as any YAML reader sees them."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def identity(manifest: Manifest) -> tuple[str, str, str, str]:
    """Return what makes an object the same to Kubernetes."""
    metadata = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def by_identity(manifests: list[Manifest]) -> dict[tuple[str, str, str, str], Manifest]:
    """Return the objects by identity; fail if one occurs twice."""
    found = {identity(manifest): manifest for manifest in manifests}
    assert len(found) == len(manifests)
    return found


def kustomized(directory: Path) -> list[Manifest]:
    """Return what `kubectl kustomize` makes of a directory."""
    command = [str(KUBECTL), "kustomize", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every path of a manifest with its value; items of a list are told apart by name where they have one."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, f"{path}/{key}")
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            name = child.get("name", index) if isinstance(child, dict) else index
            yield from leaves(child, f"{path}[{name}]")
    else:
        yield path, value
