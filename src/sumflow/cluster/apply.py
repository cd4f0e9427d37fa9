"""Applies what is declared: only what drifted is changed, and the answers are kubectl's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sumflow.cluster import settle
from sumflow.cluster.client import Cluster
from sumflow.cluster.difference import Change, changes
from sumflow.cluster.objects import FIELD_MANAGER, Object, Ref, meta

Answer: TypeAlias = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one object, and which fields changed."""

    ref: Ref
    answer: Answer
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies objects to one cluster.

    Args:
        scaled: the workloads whose replicas an autoscaler decides.
        force: take fields over that others manage.
        dry_run: only tell what would become of them.
        notes: annotations that `deploy` adds, by object.
    """

    cluster: Cluster
    scaled: frozenset[tuple[str, str, str]]
    force: bool = False
    dry_run: bool = False
    notes: Mapping[Ref, Mapping[str, str]] | None = None

    def apply(self, declared: Object) -> Applied:
        """Bring one object to what is declared.

        Raises:
            ConflictError: somebody else manages one of its fields, with another value.
        """
        ref = Ref.of(declared)
        live = self.cluster.get(ref)
        wanted = settle.settled(declared, live, scaled=self.scaled)
        for key, value in (self.notes or {}).get(ref, {}).items():
            wanted["metadata"].setdefault("annotations", {})[key] = value
        if live is None:
            if not self.dry_run:
                self.cluster.apply(wanted, force=self.force)
            return Applied(ref, "created")
        # The server itself says what would change: defaults, admission, other managers' fields are all in its answer.
        would = self.cluster.apply(wanted, dry_run=True, force=self.force)
        changed = changes(live, would)
        if not changed and (self.dry_run or is_ours(live)):
            # Only what somebody else applied with the very same values is applied once more, to be ours from then on.
            return Applied(ref, "unchanged")
        if not self.dry_run:
            self.cluster.apply(wanted, force=self.force)
        return Applied(ref, "configured", changed)


def is_ours(found: Object) -> bool:
    """Tell whether the field manager `sumflow` applied the object before."""
    managers = meta(found).get("managedFields") or ()
    return any(each.get("manager") == FIELD_MANAGER and each.get("operation") == "Apply" for each in managers)
