"""Conflicts with other field managers, as the API server reports them, told field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sumflow.cluster.objects import Ref
from sumflow.errors import SumflowError

_MANAGER = re.compile(r'conflict with "([^"]+)"(?: with subresource "([^"]+)")?')


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that another manager owns with another value."""

    field: str
    manager: str


class ConflictError(SumflowError):
    """Somebody else manages fields that the manifests declare; carries the conflicts."""

    def __init__(self, ref: Ref, conflicts: tuple[Conflict, ...]) -> None:
        lines = [f"{each.field} is managed by {each.manager}" for each in conflicts]
        super().__init__(
            f"{ref} is also managed by somebody else, with other values",
            why="\n".join(lines),
            remedy="`sumflow diff` shows the values; `--force-conflicts` takes them over; or leave them undeclared",
        )
        self.conflicts = conflicts


def read(status: Mapping[str, Any]) -> tuple[Conflict, ...]:
    """Read the conflicts out of the API server's answer (a meta/v1 Status with the reason Conflict)."""
    causes = (status.get("details") or {}).get("causes") or ()
    return tuple(
        Conflict(str(each.get("field", "?")).lstrip("."), _manager(str(each.get("message", ""))))
        for each in causes
        if each.get("reason") == "FieldManagerConflict"
    )


def _manager(message: str) -> str:
    match = _MANAGER.search(message)
    if match is None:
        return message or "another manager"
    return f"{match[1]} (through {match[2]})" if match[2] else match[1]
