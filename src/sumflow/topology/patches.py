"""JSON patches (RFC 6902) on fields that know their place: what a patch sets is said to be declared in the patch.

Written here and not taken from a library, because the libraries patch plain values and would lose the lines.
"""

from __future__ import annotations

from dataclasses import dataclass

from sumflow.topology.objects import Block
from sumflow.topology.reading import Field

OPERATIONS = ("add", "replace", "remove")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a JSON patch."""

    op: str
    path: tuple[str, ...]
    value: Field | None
    field: Field

    @classmethod
    def read(cls, block: Block) -> Operation:
        """Read an operation; raise ManifestError for one that is not supported."""
        for key, found in block.items.items():
            if key not in ("op", "path", "value"):
                raise found.refuse(f"`{key}` is not supported in a JSON patch")
        op, path = block.text("op"), block.text("path")
        if op not in OPERATIONS:
            raise block.refuse(f"the operation `{op}` is not supported", remedy=f"use one of {', '.join(OPERATIONS)}")
        if not path.startswith("/"):
            raise block.refuse(f"`{path}` is not a JSON pointer", remedy="begin it with /")
        value = None if op == "remove" else block.need("value")
        return cls(op, tuple(_unescape(part) for part in path[1:].split("/")), value, block.field)


def apply(operation: Operation, document: Field) -> None:
    """Change the document; raise ManifestError, at the patch's line, where the path leads nowhere."""
    parent = document
    for part in operation.path[:-1]:
        parent = _step(parent, part, operation)
    last = operation.path[-1]
    value = operation.value.copy() if operation.value else None
    if isinstance(parent.value, dict):
        _change_mapping(parent.value, last, value, operation)
    elif isinstance(parent.value, list):
        _change_list(parent.value, last, value, operation)
    else:
        raise _nowhere(operation, last)


def _change_mapping(mapping: dict[str, Field], key: str, value: Field | None, operation: Operation) -> None:
    if operation.op != "add" and key not in mapping:
        raise _nowhere(operation, key)
    if value is None:
        del mapping[key]
    else:
        mapping[key] = value


def _change_list(items: list[Field], part: str, value: Field | None, operation: Operation) -> None:
    if operation.op == "add" and value is not None:
        index = len(items) if part == "-" else _index(part, len(items) + 1, operation)
        items.insert(index, value)
        return
    index = _index(part, len(items), operation)
    if value is None:
        del items[index]
    else:
        items[index] = value


def _step(field: Field, part: str, operation: Operation) -> Field:
    if isinstance(field.value, dict) and part in field.value:
        return field.value[part]
    if isinstance(field.value, list):
        return field.value[_index(part, len(field.value), operation)]
    raise _nowhere(operation, part)


def _index(part: str, length: int, operation: Operation) -> int:
    if not part.isdecimal() or int(part) >= length:
        raise _nowhere(operation, part)
    return int(part)


def _nowhere(operation: Operation, part: str) -> Exception:
    path = "/" + "/".join(operation.path)
    return operation.field.refuse(f"the patch's path {path} leads nowhere: there is no `{part}`")


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
