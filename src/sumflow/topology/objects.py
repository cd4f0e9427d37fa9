"""A Kubernetes object as it was read: typed access to its fields, each failure with file and line.

The parsers of workloads and of Kafka stand on this, so that none of them handles a wrong type by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sumflow.errors import ManifestError
from sumflow.topology.model import Source
from sumflow.topology.reading import Field


class Identity(NamedTuple):
    """What makes two objects the same to Kubernetes."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{place}"


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping inside an object, with its path for messages."""

    field: Field
    path: str

    @property
    def source(self) -> Source:
        """Where the block is declared."""
        return self.field.source

    @property
    def items(self) -> dict[str, Field]:
        """The block's fields; raise ManifestError if it is not a mapping."""
        if not isinstance(self.field.value, dict):
            raise self.field.refuse(f"`{self.path}` must be a mapping")
        return self.field.value

    def __contains__(self, key: str) -> bool:
        return key in self.items

    def get(self, key: str) -> Field | None:
        """Return a field, or None where it is not declared."""
        return self.items.get(key)

    def need(self, key: str) -> Field:
        """Return a field; raise ManifestError where it is not declared."""
        found = self.items.get(key)
        if found is None or found.value is None:
            raise self.refuse(f"`{self._below(key)}` is missing")
        return found

    def block(self, key: str) -> Block:
        """Return a mapping that must be there."""
        return Block(self.need(key), self._below(key))

    def maybe(self, key: str) -> Block:
        """Return a mapping, empty where it is not declared."""
        return Block(self.items.get(key) or Field({}, self.source), self._below(key))

    def blocks(self, key: str) -> Iterator[Block]:
        """Return the mappings of a list, none where the list is not declared."""
        for index, item in enumerate(self.listed(key)):
            yield Block(item, f"{self._below(key)}[{index}]")

    def listed(self, key: str) -> list[Field]:
        """Return a list, empty where it is not declared."""
        found = self.items.get(key)
        if found is None:
            return []
        if not isinstance(found.value, list):
            raise found.refuse(f"`{self._below(key)}` must be a list")
        return found.value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        found = self.items.get(key)
        if found is None and default is not None:
            return default
        found = found or self.need(key)
        if not isinstance(found.value, str):
            remedy = f'write "{found.value}" in quotes' if isinstance(found.value, int | float) else ""
            raise found.refuse(f"`{self._below(key)}` must be text", remedy=remedy)
        return found.value

    def number(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """Return a whole number that is not below `least`; without a default it must be there."""
        found = self.items.get(key)
        if found is None and default is not None:
            return default
        found = found or self.need(key)
        if not isinstance(found.value, int) or isinstance(found.value, bool) or found.value < least:
            raise found.refuse(f"`{self._below(key)}` must be a whole number, {least} or more")
        return found.value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        found = self.items.get(key)
        if found is None:
            return default
        if not isinstance(found.value, bool):
            raise found.refuse(f"`{self._below(key)}` must be true or false")
        return found.value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where it is not declared."""
        listed = self.listed(key)
        for item in listed:
            if not isinstance(item.value, str):
                raise item.refuse(f"every item of `{self._below(key)}` must be text")
        return tuple(str(item.value) for item in listed)

    def mapping(self, key: str) -> dict[str, str]:
        """Return a mapping of texts, as labels are; empty where it is not declared."""
        block = self.maybe(key)
        return {name: block.text(name) for name in block.items}

    def refuse(self, what: str, *, why: str = "", remedy: str = "") -> ManifestError:
        """Return the error that names this block's file and line."""
        return self.field.refuse(what, why=why, remedy=remedy)

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


class Object(Block):
    """A whole Kubernetes object."""

    __slots__ = ()

    @classmethod
    def of(cls, field: Field) -> Object:
        """Take a document for an object; raise ManifestError unless it has apiVersion, kind and a name."""
        found = cls(field, "")
        for key in ("apiVersion", "kind"):
            found.text(key)
        found.block("metadata").text("name")
        return found

    @property
    def kind(self) -> str:
        """As `Deployment`."""
        return self.text("kind")

    @property
    def api_version(self) -> str:
        """As `apps/v1`."""
        return self.text("apiVersion")

    @property
    def name(self) -> str:
        """The object's name."""
        return self.block("metadata").text("name")

    @property
    def namespace(self) -> str:
        """The object's namespace, empty for what belongs to none."""
        return self.block("metadata").text("namespace", "")

    @property
    def labels(self) -> dict[str, str]:
        """The object's labels."""
        return self.block("metadata").mapping("labels")

    @property
    def identity(self) -> Identity:
        """What makes it the same object to Kubernetes."""
        group, slash, _ = self.api_version.partition("/")
        return Identity(group if slash else "", self.kind, self.namespace, self.name)
