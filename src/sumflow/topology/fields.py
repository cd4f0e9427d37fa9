"""What becomes of every manifest field on one machine: honoured, ignored with a reason, or refused where not listed.

The tables in `field_table` are the only list: the reader checks against them, docs/manifests.md is printed from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sumflow.topology.field_table import KINDS
from sumflow.topology.objects import Object
from sumflow.topology.reading import Field
from sumflow.topology.rules import METADATA, Kind, Rule

ANY = "*"
ITEM = "[]"


@dataclass(slots=True)
class _Node:
    """A place in the tree of known fields."""

    rule: Rule | None = None
    below: dict[str, _Node] = field(default_factory=dict)


def check(objects: Iterable[Object]) -> dict[str, str]:
    """Return the ignored fields that occur, each with its reason; raise ManifestError at the first unknown one."""
    ignored: dict[str, str] = {}
    for found in objects:
        kind = _kind(found)
        for path, rule in _walk(found.field, _TREES[kind.name, kind.api_version], (), found):
            if not rule.honoured:
                ignored[f"{found.kind} {path}"] = rule.how
    return ignored


def documentation() -> str:
    """Return docs/manifests.md: every kind, every field, and what becomes of it on one machine."""
    kinds = "".join(
        _section(f"{kind.name} ({kind.api_version})", {k: v for k, v in kind.fields.items() if k not in METADATA})
        for kind in KINDS
    )
    return _HEAD + _section("Every object", METADATA) + kinds


def _kind(found: Object) -> Kind:
    versions = {kind.api_version: kind for kind in KINDS if kind.name == found.kind}
    if not versions:
        names = ", ".join(sorted({kind.name for kind in KINDS}))
        what = f"objects of the kind {found.kind} are not supported"
        raise found.need("kind").refuse(what, remedy=f"known are {names}")
    if found.api_version not in versions:
        what = f"{found.kind} in {found.api_version} is not supported"
        raise found.need("apiVersion").refuse(what, remedy=f"use {' or '.join(versions)}")
    return versions[found.api_version]


def _walk(here: Field, node: _Node, path: tuple[str, ...], found: Object) -> Iterator[tuple[str, Rule]]:
    """Go through an object beside the tree of known fields; yield what is declared with its rule."""
    if node.rule is not None and (not node.below or not isinstance(here.value, dict | list) or not here.value):
        yield _dotted(path), node.rule
        if not node.below:
            _must_be_a_leaf(here, path, found)
            return
    elif not isinstance(here.value, dict | list):
        raise here.refuse(f"`{_dotted(path)}` of a {found.kind} must hold fields, not a value")
    for key, child in _children(here):
        below = node.below.get(key)
        if below is None and key != ITEM:
            below = node.below.get(ANY)
        if below is None:
            raise _unknown(child, (*path, key), found)
        yield from _walk(child, below, (*path, key), found)


def _children(here: Field) -> Iterator[tuple[str, Field]]:
    if isinstance(here.value, dict):
        yield from here.value.items()
    elif isinstance(here.value, list):
        yield from ((ITEM, child) for child in here.value)


def _must_be_a_leaf(here: Field, path: tuple[str, ...], found: Object) -> None:
    for key, child in _children(here):
        raise _unknown(child, (*path, key), found)


def _unknown(here: Field, path: tuple[str, ...], found: Object) -> Exception:
    return here.refuse(
        f"`{_dotted(path)}` of a {found.kind} is not supported",
        why="SumFlow never drops a field in silence: it would run on Kubernetes otherwise than here",
        remedy="remove it, or see docs/manifests.md for the fields that are read",
    )


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(f".{ITEM}", ITEM)


def _tree(kind: Kind) -> _Node:
    root = _Node()
    for pattern, rule in kind.fields.items():
        node = root
        for part in pattern.replace(ITEM, f".{ITEM}").split("."):
            node = node.below.setdefault(part, _Node())
        node.rule = rule
    return root


_TREES = {(kind.name, kind.api_version): _tree(kind) for kind in KINDS}

_HEAD = """\
# What SumFlow reads of a manifest

The files in `k8s/` describe the system once; `sumflow up` realises them on one machine, Kubernetes on a cluster. On
Kubernetes every field below has its usual meaning. On one machine each is **honoured**, or **ignored** for the reason
given. A kind or a field that is not listed here is **refused**, with file and line.

This page is printed from `sumflow.topology.field_table` (`sumflow fields`); a test keeps the two the same.
"""


def _section(title: str, fields: Mapping[str, Rule]) -> str:
    """Return one table; fields with the same rule share a row."""
    rows: dict[Rule, list[str]] = {}
    for pattern, rule in fields.items():
        rows.setdefault(rule, []).append(f"`{pattern}`")
    lines = [
        f"| {'<br>'.join(patterns)} | {'honoured' if rule.honoured else 'ignored'} | {rule.how} |"
        for rule, patterns in rows.items()
    ]
    head = ["| field | on one machine | how, or why not |", "|---|---|---|"] if lines else ["Nothing more."]
    return "\n".join(["", f"## {title}", "", *head, *lines, ""])
