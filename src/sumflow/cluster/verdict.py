"""What can be said of an object that is waited for: it is ready, it is not yet, or it never will be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from sumflow.cluster.objects import Object
from sumflow.steps import Ready


@dataclass(frozen=True, slots=True)
class Speaker:
    """A container whose last log lines help to understand; `previous` asks for those of the one that died."""

    namespace: str
    pod: str
    container: str
    previous: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not ready yet, and there is hope.

    Args:
        reason: the object and what it says, for a reader who did not look at the cluster yet.
        speaker: whose last words belong to the reason.
        halted: it runs, and works no further until a person acts: what else is deployed need not wait for it.
    """

    reason: str
    speaker: Speaker | None = None
    halted: bool = False


@dataclass(frozen=True, slots=True)
class Hopeless:
    """Not ready, and waiting will not change that.

    Args:
        reason: the object and what it says, for a reader who did not look at the cluster yet.
        remedy: what to do, a command where there is one.
        speaker: whose last words belong to the reason.
    """

    reason: str
    remedy: str
    speaker: Speaker | None = None


Verdict: TypeAlias = Ready | Waiting | Hopeless


@dataclass(frozen=True, slots=True)
class Around:
    """What was seen around an object.

    Args:
        pods: the pods that realise it, of its current revision.
        claims: the volume claims that those pods wait for.
        events: warnings about any of them, of this run only, oldest first.
        away: the nodes that do not answer, as far as we may see nodes.
        now: the time of the look.
    """

    pods: tuple[Object, ...] = ()
    claims: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    away: frozenset[str] = frozenset()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def worst(verdicts: list[Verdict]) -> Verdict:
    """Put several verdicts together: one hopeless case decides, then all reasons to wait are told."""
    for each in verdicts:
        if isinstance(each, Hopeless):
            return each
    waiting = [each for each in verdicts if isinstance(each, Waiting)]
    if waiting:
        speaker = next((each.speaker for each in waiting if each.speaker), None)
        return Waiting("\n".join(dict.fromkeys(each.reason for each in waiting)), speaker)
    evidence = [each.evidence for each in verdicts if isinstance(each, Ready) and each.evidence]
    return Ready(", ".join(dict.fromkeys(evidence)))
