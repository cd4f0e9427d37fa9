"""All objects of a profile, found by kind and name: what the parsers look references up in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sumflow.topology import model
from sumflow.topology.objects import Block, Object


class Declared:
    """The objects of one profile."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self.objects = tuple(objects)
        self._found = {(found.kind, found.namespace, found.name): found for found in self.objects}

    def of_kind(self, kind: str) -> Iterator[Object]:
        """Return the objects of a kind, in the order they are declared."""
        return (found for found in self.objects if found.kind == kind)

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return the object, or None if nothing declares it."""
        return self._found.get((kind, namespace, name))

    def referred(self, kind: str, namespace: str, block: Block, key: str = "name") -> Object:
        """Return the object that a field names; raise ManifestError at that field if nothing declares it."""
        name = block.text(key)
        found = self.find(kind, namespace, name)
        if found is None:
            place = f"namespace {namespace}" if namespace else "this profile"
            remedy = f"declare it, or correct the name; declared are {self._names(kind, namespace)}"
            raise block.need(key).refuse(f"there is no {kind} `{name}` in {place}", remedy=remedy)
        return found

    def _names(self, kind: str, namespace: str) -> str:
        names = sorted(found.name for found in self.of_kind(kind) if found.namespace == namespace)
        return ", ".join(names) or "none"


def secret(found: Object) -> model.Secret:
    """Read a Secret; only `stringData` is used, because a base64 text hides what it says from a review."""
    return model.Secret(found.name, found.namespace, found.mapping("stringData"), found.source)
