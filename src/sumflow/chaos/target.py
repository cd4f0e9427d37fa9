"""What a run asks of the system that it breaks, whichever runtime that runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from sumflow.audit import facts
from sumflow.audit.findings import Report
from sumflow.chaos.faults import Fault, Kind, Offers
from sumflow.client.endpoints import Endpoints
from sumflow.errors import SumflowError

Undo = Callable[[], None]
"""Takes a fault back; harmless where there is nothing to take back any more."""


def nothing_to_undo() -> None:
    """There is nothing to take back: whoever looks after the system starts what has ended."""


class NotNowError(SumflowError):
    """A fault cannot be done at this moment: what it is about is not there, as another fault hit it before."""


class Books(Protocol):
    """What a run asks of the books of both services; more of them in `sumflow.audit`."""

    def cut(self) -> facts.Cut:
        """Read both sides at a cut."""

    def deep(self, progress: Callable[[int], None]) -> Report:
        """Compare event by event."""

    def occurrences(self, first: int, last: int) -> Mapping[int, int]:
        """Return how often each x within bounds is in the outbox."""


class Target(Protocol):
    """A running system that may be broken."""

    @property
    def profile(self) -> str:
        """Which profile of the manifests it is."""

    @property
    def context(self) -> str | None:
        """The kubeconfig context of the cluster where it is; None on this machine."""

    @property
    def settle_s(self) -> float:
        """How long it may take to recover from the last fault, and again to count everything."""

    def offers(self) -> Offers:
        """Return what can be broken here."""

    def left_out(self) -> Mapping[Kind, str]:
        """Return the kinds that are not possible here, and why."""

    def begin(self, fault: Fault) -> Undo:
        """Do a fault and return what takes it back; raise NotNowError if it cannot be done at this moment."""

    def endpoints(self) -> Endpoints:
        """Return the pipeline's doors, for the clients."""

    def books(self) -> AbstractContextManager[Books]:
        """Open the books of both services, for the audit; by a way that no fault disturbs."""

    def problem(self) -> str:
        """Say what is not well, in a line; nothing if everything is."""
