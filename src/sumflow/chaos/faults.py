"""What can be broken: the vocabulary of faults, and how a person chooses among them; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sumflow.errors import UsageError


class Kind(StrEnum):
    """A kind of fault."""

    KILL = "kill"
    FREEZE = "freeze"
    RESTART = "restart"
    CUT = "cut"
    STALL = "stall"
    SLOW = "slow"
    DISK = "disk"


MEANINGS: Final = {
    Kind.KILL: "the process is ended by force, without a word (SIGKILL)",
    Kind.FREEZE: "the process and its children stand still for a while (SIGSTOP, SIGCONT)",
    Kind.RESTART: "the process is asked to end in good order, and is started again",
    Kind.CUT: "all connections to it are reset, and new ones refused for a while",
    Kind.STALL: "nothing passes on the connections to it for a while, and nobody is told: a lost route",
    Kind.SLOW: "every piece of data to it and from it is late for a while",
    Kind.DISK: "the file system has no byte left for a while",
}
"""What each kind does; shown by `sumflow chaos --help`."""

Offers = Mapping[Kind, Sequence[str]]
"""What can be broken in a system: the targets of each kind."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that will be broken.

    Args:
        number: its place in the plan, from 1.
        kind: how.
        target: what, as a component's name.
        at_s: when, in seconds from the beginning of the load.
        lasts_s: after how many seconds it is taken back; 0 where there is nothing to take back.
    """

    number: int
    kind: Kind
    target: str
    at_s: float
    lasts_s: float

    @property
    def ends_at_s(self) -> float:
        """When it is over, in seconds from the beginning of the load."""
        return self.at_s + self.lasts_s

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person asked for: a kind, and optionally one target or all copies of it."""

    kind: Kind
    target: str = ""

    def takes(self, target: str) -> bool:
        """Tell whether a target is meant: by its name, or by that of all its copies."""
        return self.target in ("", target, re.sub(r"-\d+$", "", target))


def parse(text: str) -> tuple[Choice, ...]:
    """Read choices as `kill,freeze:totalizer`; raise UsageError for a kind that there is not."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, target = part.partition(":")
        try:
            found.append(Choice(Kind(kind), target))
        except ValueError as error:
            raise UsageError(
                f"there is no fault {kind!r}", remedy=f"there are: {', '.join(Kind)}; as in --faults kill,freeze:kafka"
            ) from error
    return tuple(found)


def chosen(offers: Offers, choices: Sequence[Choice]) -> dict[Kind, tuple[str, ...]]:
    """Return what of the offers was asked for, all of it where nothing was; raise UsageError for what there is not."""
    wanted = choices or [Choice(kind) for kind in Kind]
    for choice in choices:
        if not any(map(choice.takes, offers.get(choice.kind, ()))):
            there = ", ".join(offers.get(choice.kind, ())) or "nothing"
            raise UsageError(
                f"{choice.kind}{choice.target and ':'}{choice.target} is not possible here",
                remedy=f"{choice.kind} is possible for: {there}",
            )
    found = {
        kind: tuple(each for each in sorted(targets) if any(c.kind is kind and c.takes(each) for c in wanted))
        for kind, targets in offers.items()
    }
    return {kind: targets for kind, targets in found.items() if targets}
