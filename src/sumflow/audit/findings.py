"""What an audit finds and says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FINDINGS_LIMIT: Final = 1_000
"""More findings are counted and not kept: whoever reads a thousand of them knows enough."""


class Kind(StrEnum):
    """What is wrong."""

    LOST = "lost"
    """Accepted, and not there where it has to be."""
    DOUBLED = "doubled"
    """There more often than once."""
    INVENTED = "invented"
    """Counted, published or kept, and never accepted."""
    ALTERED = "altered"
    """The two sides say different numbers of the same thing."""
    HELD = "held up"
    """Accepted and safe, and not counted until somebody helps: behind a gap or a dead letter."""
    UNPROVEN = "unproven"
    """One side no longer has what the proof needs."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong.

    Args:
        kind: what is wrong.
        subject: what it is about: `total`, `total '<name>'`, a lane, `<lane>:<seq>`, or `<topic>/<partition>@<offset>`.
        detail: what each side says.
    """

    kind: Kind
    subject: str
    detail: str


@dataclass(slots=True)
class Report:
    """What an audit came to; without findings, the claim is proven for what was looked at.

    Events are numbers of additions: accepted by the adder in its lanes, counted of them by the totalizer, and of those
    that are not counted yet, how many are not even published.
    """

    lanes: int = 0
    accepted: int = 0
    counted: int = 0
    unpublished: int = 0
    foreign: int = 0
    parked: int = 0
    dead_letters: int = 0
    total: int = 0
    named: int = 0
    """How many totals have a name."""
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    """Findings beyond the limit."""
    figures: dict[str, int] = field(default_factory=dict)
    """What was looked at event by event."""
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong; lag is not wrong."""
        return not self.findings

    @property
    def lag(self) -> int:
        """Additions that are accepted and not counted yet."""
        return max(self.accepted - self.counted, 0)

    def find(self, kind: Kind, subject: object, detail: str) -> None:
        """Note one thing that is wrong."""
        if len(self.findings) < FINDINGS_LIMIT:
            self.findings.append(Finding(kind, str(subject), detail))
        else:
            self.more += 1

    def include(self, other: Report) -> None:
        """Take over what another look at the same system found."""
        for each in other.findings:
            self.find(each.kind, each.subject, each.detail)
        self.more += other.more
        self.figures.update(other.figures)
        self.notes.extend(other.notes)
