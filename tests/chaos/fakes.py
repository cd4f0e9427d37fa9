"""A pipeline in memory that can be broken like a real one, and made to lose, double or miscount on request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from uuid import UUID

from sumflow.audit.facts import Accepted, Counted, Cut
from sumflow.audit.findings import Report
from sumflow.chaos.doors import Connection, Readable
from sumflow.chaos.faults import Fault, Kind, Offers
from sumflow.chaos.target import Books, NotNowError, Undo
from sumflow.chaos.verdict import Happened
from sumflow.client.endpoints import Endpoints
from sumflow.errors import SumflowError
from sumflow.settings import Address
from sumflow.sums.totals import Tally

LANE = UUID(int=1)


@dataclass
class FakePipeline:
    """Doors, target and books at once; everything it stores is counted at once.

    Args:
        lose_at: this addition is acknowledged and not stored, by the order of arrival.
        double_at: this one is stored and counted twice.
        miscount: so many stored additions are missing in the total.
        step_back_at: at this look the total is smaller than before.
        never_well: what is not well, for ever.
        refusals: how often a fault cannot be taken back.
        unread: looks at the books that fail from the first fault on: cut, deep, occurrences.
    """

    lose_at: int = -1
    double_at: int = -1
    miscount: int = 0
    step_back_at: int = -1
    never_well: str = ""
    refusals: int = 0
    profile: str = "dev"
    context: str | None = None
    settle_s: float = 5.0
    unread: frozenset[str] = frozenset()
    stored: Counter[int] = field(default_factory=Counter)
    away: set[str] = field(default_factory=set)
    begun: list[Fault] = field(default_factory=list)
    _named: set[str] = field(default_factory=set)
    _arrived: int = 0
    _looks: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def doors(self, endpoints: Endpoints) -> FakePipeline:
        """It is its own doors."""
        del endpoints
        return self

    def call(self) -> Connection:
        """It is its own connection."""
        return self

    def stream(self) -> Connection:
        """It is its own connection."""
        return self

    def add(self, numbers: range, request_id: str) -> None:
        """Store what is asked, but for the flaw that a test wants."""
        with self._lock:
            if "adder" in self.away:
                raise SumflowError("the adder is away")
            if request_id in self._named:
                return
            self._named |= {request_id} - {""}
            for x in numbers:
                self._arrived += 1
                self.stored[x] += {self.lose_at: 0, self.double_at: 2}.get(self._arrived, 1)
            self.stored += Counter()

    def close(self) -> None:
        """Nothing is open."""

    def totals(self) -> AbstractContextManager[Readable]:
        """It is its own totalizer."""
        return nullcontext(self)

    def total(self) -> int:
        """Return the number of what is stored."""
        self._looks += 1
        if "totalizer" in self.away:
            raise SumflowError("the totalizer is away")
        counted = self.stored.total() - self.miscount
        return counted - 1000 * (self._looks == self.step_back_at)

    def offers(self) -> Offers:
        """Everything can be cut."""
        return {Kind.CUT: ("adder", "totalizer")}

    def left_out(self) -> Mapping[Kind, str]:
        """Return nothing."""
        return {}

    def begin(self, fault: Fault) -> Undo:
        """Let a part be away."""
        if fault.target == "nobody":
            raise NotNowError("nobody is not there")
        if fault.target == "undoable":
            raise SumflowError("the disk could not be filled")
        self.begun.append(fault)
        self.away.add(fault.target)
        return lambda: self._give_back(fault.target)

    def _give_back(self, target: str) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise SumflowError("the disk could not be given its room back")
        self.away.discard(target)

    def endpoints(self) -> Endpoints:
        """Return what nobody connects to."""
        return Endpoints(Address("127.0.0.1", 1), "http://127.0.0.1:1")

    def books(self) -> AbstractContextManager[Books]:
        """It is its own books."""
        return nullcontext(self)

    def problem(self) -> str:
        """Return what the test set."""
        return self.never_well

    def cut(self) -> Cut:
        """Return both sides, as one lane."""
        self._require_readable("cut")
        with self._lock:
            stored = self.stored.total()
        counted = stored - self.miscount
        return Cut(
            accepted={LANE: Accepted(1, stored, stored, stored, stored, 0)} if stored else {},
            counted={LANE: Counted(stored, counted, counted)} if stored else {},
            total=Tally(counted, counted),
        )

    def deep(self, progress: Callable[[int], None]) -> Report:
        """Find nothing."""
        del progress
        self._require_readable("deep")
        return Report()

    def occurrences(self, first: int, last: int) -> Mapping[int, int]:
        """Return what is stored."""
        self._require_readable("occurrences")
        return {x: times for x, times in self.stored.items() if first <= x <= last}

    def _require_readable(self, look: str) -> None:
        if self.begun and look in self.unread:
            raise SumflowError(f"{look} cannot be done", why="the broker is away")


@dataclass
class Heard:
    """A reporter that remembers."""

    said: list[str] = field(default_factory=list)

    def began(self, happened: Happened) -> None:
        """Remember it."""
        self.said.append(f"began {happened.fault}{happened.not_done and ': ' + happened.not_done}")

    def ended(self, happened: Happened) -> None:
        """Remember it."""
        self.said.append(f"ended {happened.fault}")

    def recovered(self, happened: Happened) -> None:
        """Remember it."""
        self.said.append(f"recovered {happened.fault}")

    def settling(self, reason: str, elapsed_s: float) -> None:
        """Say nothing."""
