"""What a rule about a manifest field is: the words that the tables of fields are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether one machine honours a field, and how, or why not."""

    honoured: bool
    how: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, in one API version, with the fields that may be declared."""

    name: str
    api_version: str
    fields: Mapping[str, Rule]


Fields = dict[str, Rule]


def honoured(how: str, *patterns: str) -> Fields:
    """Return fields that one machine honours."""
    return dict.fromkeys(patterns, Rule(True, how))


def ignored(reason: str, *patterns: str) -> Fields:
    """Return fields that one machine ignores, for this reason."""
    return dict.fromkeys(patterns, Rule(False, reason))


def below(prefix: str, fields: Fields) -> Fields:
    """Return the fields under a prefix, which ends with the dot."""
    return {f"{prefix}{pattern}": rule for pattern, rule in fields.items()}


ONE_USER = "processes run as the user who typed `sumflow up`, who has no more rights than before"
NO_LIMITS = "one machine does not fence its processes in; it sizes heaps and buffers small by itself"
NO_SCHEDULER = "there is one machine to run on"
NO_API = "there is no Kubernetes API whose token could be mounted"
DIRECTORIES = "data are directories below the data directory, as large as the disk"

METADATA = (
    honoured("tells objects apart, refers to them", "apiVersion", "kind", "metadata.name")
    | honoured("part of DNS names and references", "metadata.namespace")
    | honoured("matched by selectors", "metadata.labels.*")
)
