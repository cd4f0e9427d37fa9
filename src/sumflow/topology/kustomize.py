"""Builds a kustomization: the small subset of kustomize that the profiles use, and nothing that is half understood.

`resources` (files and directories) and `patches` (JSON patches and `$patch: delete`, each with a target) are supported;
all else is refused. A test compares the outcome with `kubectl kustomize`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sumflow.errors import ManifestError
from sumflow.topology import patches
from sumflow.topology.objects import Block, Identity, Object
from sumflow.topology.reading import Field, read_file, read_text, shown

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
SUPPORTED = ("apiVersion", "kind", "metadata", "resources", "patches")
MAX_DIRECTORIES = 32

_PLAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Target:
    """Which objects a patch is for; an empty part matches all."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def read(cls, block: Block) -> Target:
        """Read a patch's target; raise ManifestError for what is not supported, as label selectors."""
        for key, field in block.items.items():
            if key not in cls.__slots__:
                raise field.refuse(f"`target.{key}` is not supported", remedy=f"use {', '.join(cls.__slots__)}")
            if not _PLAIN.fullmatch(block.text(key)):
                raise field.refuse(f"`{field.value}`: regular expressions are not supported in a target")
        return cls(*(block.text(key, "") for key in cls.__slots__))

    def matches(self, found: Object) -> bool:
        """Say whether the patch is for this object."""
        group, _, version = found.api_version.rpartition("/")
        have = (group, version, found.kind, found.namespace, found.name)
        want = (self.group, self.version, self.kind, self.namespace, self.name)
        return all(not wanted or wanted == given for wanted, given in zip(want, have, strict=True))


def build(directory: Path) -> list[Object]:
    """Return the objects of a kustomization, patched; raise ManifestError for what it says that is not supported."""
    return _build(directory.resolve(), ())


def kustomization_file(directory: Path) -> Path | None:
    """Return the one kustomization file of a directory; raise ManifestError if there are two, as kustomize does."""
    found = [directory / name for name in FILE_NAMES if (directory / name).is_file()]
    if len(found) > 1:
        raise ManifestError("a directory has one kustomization", file=shown(found[1]), line=1, remedy="remove one")
    return found[0] if found else None


def _build(directory: Path, above: tuple[Path, ...]) -> list[Object]:
    file = kustomization_file(directory)
    if file is None:
        raise ManifestError("no kustomization in this directory", file=shown(directory), line=1)
    if directory in above or len(above) >= MAX_DIRECTORIES:
        raise ManifestError("the kustomizations include each other in a circle", file=shown(file), line=1)
    block = _read(file)
    objects = _resources(block, directory, (*above, directory))
    for patch in block.blocks("patches"):
        objects = _patched(objects, patch)
    return objects


def _read(file: Path) -> Block:
    documents = read_file(file)
    if len(documents) != 1:
        raise ManifestError("a kustomization is one YAML document", file=shown(file), line=1)
    block = Block(documents[0], "")
    for key, field in block.items.items():
        if key not in SUPPORTED:
            remedy = f"SumFlow reads {', '.join(SUPPORTED[3:])} only; say it in the manifests themselves"
            raise field.refuse(f"`{key}` in a kustomization is not supported", remedy=remedy)
    return block


def _resources(block: Block, directory: Path, above: tuple[Path, ...]) -> list[Object]:
    objects: dict[Identity, Object] = {}
    for entry in block.listed("resources"):
        for found in _resource(entry, directory, above):
            if first := objects.get(found.identity):
                where = f"{first.source.file}:{first.source.line}"
                raise found.refuse(f"{found.identity} is declared twice", why=f"the first is at {where}")
            objects[found.identity] = found
    return list(objects.values())


def _resource(entry: Field, directory: Path, above: tuple[Path, ...]) -> list[Object]:
    path = (directory / str(entry.value)).resolve()
    if path.is_dir():
        return _build(path, above)
    if not path.is_file():
        raise entry.refuse(f"there is no file or directory {entry.value}")
    if directory not in path.parents:
        raise entry.refuse(
            f"{entry.value} is outside of this directory", why="kustomize refuses it", remedy="name a directory"
        )
    return [Object.of(document) for document in read_file(path)]


def _patched(objects: list[Object], patch: Block) -> list[Object]:
    for key, field in patch.items.items():
        if key not in ("target", "patch"):
            raise field.refuse(f"`patches[].{key}` is not supported", remedy="write `target` and `patch`")
    target = Target.read(patch.block("target"))
    matched = [found for found in objects if target.matches(found)]
    if not matched:
        raise patch.refuse("this patch matches no object", why="kustomize would pass over it in silence")
    change = _change(patch)
    if isinstance(change.value, dict):
        _must_delete(Block(change, ""))
        gone = {found.identity for found in matched}
        return [found for found in objects if found.identity not in gone]
    for block in Block(Field({"patch": change}, change.source), "").blocks("patch"):
        operation = patches.Operation.read(block)
        for found in matched:
            patches.apply(operation, found.field)
    return objects


def _change(patch: Block) -> Field:
    """Read the YAML inside of a patch; its lines are counted in the file around it."""
    field = patch.need("patch")
    documents = read_text(patch.text("patch"), field.source.file, lines_before=field.source.line)
    if len(documents) != 1:
        raise field.refuse("a patch is one list of operations")
    return documents[0]


def _must_delete(block: Block) -> None:
    if "$patch" not in block or block.text("$patch") != "delete":
        raise block.refuse("a patch is a list of JSON operations, or `$patch: delete`")
    for key, field in block.items.items():
        if key not in ("$patch", "apiVersion", "kind", "metadata"):
            raise field.refuse(f"`{key}` is not supported in a deletion")
