"""Reads YAML so that every field remembers its file and line; without that, no refusal could say where.

Only the YAML that Kubernetes manifests need is understood: no anchors, no tags, no duplicate keys, no word such as `on`
that one parser reads as a boolean, the next as text. `kubectl` and SumFlow must never read a file differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from sumflow.errors import ManifestError
from sumflow.topology.model import Source

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = "dict[str, Field] | list[Field] | Scalar"

MAX_DEPTH = 64
MAX_FILE_BYTES = 4_000_000

AMBIGUOUS = frozenset({"y", "n", "yes", "no", "on", "off"})
"""Booleans in YAML 1.1, text in YAML 1.2."""

_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", re.ASCII)


@dataclass(slots=True)
class Field:
    """A value with the place where it is declared; patches replace it in place."""

    value: Value
    source: Source

    def plain(self) -> object:
        """Return the value without its places: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def copy(self) -> Field:
        """Return a tree of its own, so that patching one profile leaves the other as it is."""
        if isinstance(self.value, dict):
            return Field({key: child.copy() for key, child in self.value.items()}, self.source)
        if isinstance(self.value, list):
            return Field([child.copy() for child in self.value], self.source)
        return Field(self.value, self.source)

    def refuse(self, what: str, *, why: str = "", remedy: str = "") -> ManifestError:
        """Return the error that names this field's file and line."""
        return ManifestError(what, file=self.source.file, line=self.source.line, why=why, remedy=remedy)


def shown(path: Path) -> str:
    """Return a path as the reader would type it: relative below the current directory, else absolute."""
    path = path.resolve()
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the current directory is gone
        return str(path)


def read_file(path: Path) -> list[Field]:
    """Read a file's documents; raise ManifestError if it cannot be read."""
    file = shown(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ManifestError(f"larger than {MAX_FILE_BYTES} bytes, so it is no manifest", file=file, line=1)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot be read: {error}", file=file, line=1) from error
    return read_text(text, file)


def read_text(text: str, file: str, *, lines_before: int = 0) -> list[Field]:
    """Read the documents of a YAML text, empty ones left out.

    Args:
        text: the YAML.
        file: what to call it in errors.
        lines_before: lines of that file above the text, for YAML inside of YAML.
    """
    reader = _Reader(file, lines_before)
    try:
        nodes = list(_compose_all(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise reader.refuse_at(mark, f"not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise reader.refuse_at(None, f"not valid YAML: {error}") from error
    fields = [reader.field(node, 0) for node in nodes]
    return [field for field in fields if field.value is not None]


class _Loader(yaml.SafeLoader):
    """Composes nodes; aliases are refused, because a reader of the file would have to expand them in the head."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not used in manifests", mark)
        return super().compose_node(parent, index)


def _compose_all(text: str) -> Iterator[yaml.Node]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node
    finally:
        loader.dispose()


class _Reader:
    """Turns the nodes of one file into fields."""

    def __init__(self, file: str, lines_before: int) -> None:
        self._file = file
        self._lines_before = lines_before
        self._scalars = yaml.SafeLoader("")

    def refuse_at(self, mark: yaml.Mark | None, what: str, *, remedy: str = "") -> ManifestError:
        line = self._lines_before + (mark.line + 1 if mark else 1)
        return ManifestError(what, file=self._file, line=line, remedy=remedy)

    def field(self, node: yaml.Node, depth: int) -> Field:
        if depth > MAX_DEPTH:
            raise self.refuse_at(node.start_mark, f"nested deeper than {MAX_DEPTH} levels")
        source = Source(self._file, self._lines_before + node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return Field(self._mapping(node, depth), source)
        if isinstance(node, yaml.SequenceNode):
            return Field([self.field(child, depth + 1) for child in node.value], source)
        return Field(self._scalar(node), source)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Field]:
        found: dict[str, Field] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                raise self.refuse_at(key_node.start_mark, "a key must be text", remedy="put it in quotes")
            self._must_be_plain_to_all(key_node)
            if key in found:
                raise self.refuse_at(key_node.start_mark, f"`{key}` is said twice", remedy="remove one of the two")
            child = self.field(value_node, depth + 1)
            # The line of the key, not of the block below it: that is where a reader looks.
            child.source = Source(self._file, self._lines_before + key_node.start_mark.line + 1)
            found[key] = child
        return found

    def _scalar(self, node: yaml.Node) -> Scalar:
        if isinstance(node, yaml.ScalarNode):
            self._must_be_plain_to_all(node)
        if node.tag == "tag:yaml.org,2002:timestamp":
            return str(node.value)
        value = self._construct(node)
        if not isinstance(value, str | int | float | bool | None):
            raise self.refuse_at(node.start_mark, f"values of the type {node.tag} are not used in manifests")
        return value

    def _must_be_plain_to_all(self, node: yaml.ScalarNode) -> None:
        """Refuse a value without quotes that another YAML parser would read as another type."""
        text = node.value
        if node.style is not None:
            return
        if text.lower() in AMBIGUOUS:
            remedy = f'write true or false, or "{text}" in quotes'
            raise self.refuse_at(node.start_mark, f"`{text}` is a boolean to some and text to others", remedy=remedy)
        numeric = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") or _EXPONENT.fullmatch(text)
        if numeric and not _DECIMAL.fullmatch(text):
            remedy = f'write it in decimal digits, or "{text}" in quotes'
            raise self.refuse_at(node.start_mark, f"`{text}` is a number to some and text to others", remedy=remedy)

    def _construct(self, node: yaml.Node) -> object:
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self.refuse_at(node.start_mark, f"cannot be read as {node.tag}: {error}") from error
