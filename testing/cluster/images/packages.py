"""Installed Python packages as layers: what a package needs, and nothing else of the environment."""

from __future__ import annotations

import os
import py_compile
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from testing.cluster.images.layer import Layer
from testing.cluster.images.linux import SITE_PACKAGES


def closure(roots: Iterable[str], without: frozenset[str] = frozenset()) -> list[Distribution]:
    """Return the installed distributions that the requirements `roots` need, roots included, but none of `without`."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(root) for root in roots]
    while waiting:
        wanted = waiting.pop()
        name = wanted.name.lower().replace("_", "-")
        if name in without or name in found:
            continue
        found[name] = distribution(wanted.name)
        for line in found[name].requires or []:
            needed = Requirement(line)
            extras = wanted.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return [found[name] for name in sorted(found)]


def layer(distributions: Iterable[Distribution]) -> bytes:
    """Return a layer with the files of these distributions in the image's site-packages."""
    made = Layer()
    for package in distributions:
        for file in sorted(package.files or [], key=str):
            # scripts and data outside site-packages belong to the environment
            if ".." not in file.parts and not file.name.endswith(".pyi"):
                source = Path(os.fspath(file.locate()))
                if source.is_file():
                    made.file(source, f"{SITE_PACKAGES}/{file}")
    return made.content()


def source(made: Layer, directory: Path, path: str) -> None:
    """Add our own Python below site-packages, compiled: a read-only container cannot keep what it compiles."""
    made.tree(directory, f"{SITE_PACKAGES}/{path}", skip=("__pycache__",))
    with tempfile.TemporaryDirectory() as scratch:
        for module in sorted(directory.rglob("*.py")):
            place = Path(f"{SITE_PACKAGES}/{path}") / module.relative_to(directory)
            compiled = f"{scratch}/module.pyc"
            py_compile.compile(
                str(module),
                cfile=compiled,
                dfile=f"/{place}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            name = f"{module.stem}.{sys.implementation.cache_tag}.pyc"
            made.text(str(place.parent / "__pycache__" / name), Path(compiled).read_bytes())
