"""How an object differs from what is declared, field by field; what the server keeps for itself is no difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sumflow.cluster.objects import Object

_SERVER_KEEPS: Final = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "deletionTimestamp"}
)
HIDDEN: Final = "(hidden)"
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs; None stands for a field that is not there."""

    path: str
    before: Any
    after: Any


def changes(before: Object, after: Object) -> tuple[Change, ...]:
    """Return what differs between two states of an object, without status and without what the server keeps.

    The values of a Secret are hidden: only that they differ is told.
    """
    found = tuple(_walk("", _comparable(before), _comparable(after)))
    if after.get("kind") != "Secret":
        return found
    return tuple(Change(c.path, HIDDEN, HIDDEN) if c.path.startswith(("data", "stringData")) else c for c in found)


def _comparable(found: Object) -> dict[str, Any]:
    kept = {key: value for key, value in found.items() if key != "status"}
    kept["metadata"] = {key: value for key, value in found["metadata"].items() if key not in _SERVER_KEEPS}
    return kept


def _walk(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _walk(_below(path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif _is_list(before) and _is_list(after):
        yield from _lists(path, before, after)
    elif before is _ABSENT or after is _ABSENT or before != after:
        yield Change(path, None if before is _ABSENT else before, None if after is _ABSENT else after)


def _lists(path: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    """Compare lists; items with names are matched by name, so that an insertion is told as one."""
    left, right = _keyed(before), _keyed(after)
    for key in [*left, *(key for key in right if key not in left)]:
        yield from _walk(f"{path}[{key}]", left.get(key, _ABSENT), right.get(key, _ABSENT))


def _keyed(items: Sequence[Any]) -> dict[str, Any]:
    names = [item.get("name") for item in items if isinstance(item, Mapping)]
    if len(names) == len(items) and None not in names and len(set(names)) == len(names):
        return {f"name={name}": item for name, item in zip(names, items, strict=True)}
    return {str(index): item for index, item in enumerate(items)}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _below(path: str, key: str) -> str:
    shown = f'"{key}"' if "." in key or "/" in key else key
    return f"{path}.{shown}" if path else shown
