"""The run: warm-up, an hour's sums faster than they can be taken, and an hour's while the totalizer has no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sumflow import steps
from sumflow.audit.compare import compare
from sumflow.bench.loads import BATCH
from sumflow.chaos.on_machine import OwnSystem, own_system
from sumflow.chaos.proxy import Proxy
from sumflow.client.totals import Totals
from sumflow.errors import SumflowError
from sumflow.local import facade
from tests.limits.overload.flatness import Growth, Sample, growths
from tests.limits.overload.offering import STREAMS, Offer
from tests.limits.overload.watching import Watch
from tests.servers import await_ready

WARM_UP: Final = "warm-up"
OVERLOAD: Final = "overload"
AWAY: Final = "totalizer away"
JUDGED: Final = (OVERLOAD, AWAY)
_DATABASE: Final = "totalizer-postgres-0"
_COUNTED_WITHIN_S: Final = 3_600.0
_PAGES: Final = {
    "adder": "adder.sumflow.svc.cluster.local:9090",
    "relay": "adder.sumflow.svc.cluster.local:9095",
    "totalizer": "totalizer.sumflow.svc.cluster.local:9091",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to.

    Args:
        samples: what was seen, each second.
        accepted: sums acknowledged.
        counted: sums in the total at the end.
        sent_away: single calls that found the queue full.
        findings: what the audit found wrong.
    """

    samples: Sequence[Sample]
    accepted: int
    counted: int
    sent_away: int
    findings: Sequence[str]

    @property
    def growths(self) -> list[Growth]:
        """How memory grew, in each phase that is judged."""
        return [growth for phase in JUDGED for growth in growths(self.samples, phase)]

    @property
    def problems(self) -> list[str]:
        """Return what is not as it must be."""
        found = [f"{one.component} grew in phase {one.phase!r}" for one in self.growths if not one.is_flat]
        if self.accepted != self.counted:
            found.append(f"{self.accepted:,} accepted, {self.counted:,} counted")
        if not self.sent_away:
            found.append("the adder was never full: this was no overload")
        return [*found, *self.findings]


def run(sums: int, reporter: steps.Reporter) -> Result:
    """Offer `sums`, in whole batches of every stream, in each phase that is judged, to a system of the run's own."""
    with own_system("dev", None, reporter, on_disk=True) as system:
        seen = system.looked_at
        offer = Offer(seen.endpoints().adder)
        pages = {name: f"http://{seen.names[page]}/metrics" for name, page in _PAGES.items()}
        with (
            Totals(seen.endpoints().totalizer_url) as totals,
            Watch(facade.status_of(system.data_dir), pages, totals, lambda: offer.accepted) as watch,
        ):
            _phases(system, watch, offer, totals, sums)
            counted = totals.total() // 2
        with system.books() as books:
            findings = [f"{one.kind}: {one.subject}: {one.detail}" for one in compare(books.cut()).findings]
        return Result(watch.samples, offer.accepted, counted, offer.sent_away, findings)


def _phases(system: OwnSystem, watch: Watch, offer: Offer, totals: Totals, sums: int) -> None:
    least = STREAMS * BATCH
    for phase, many in ((WARM_UP, max(sums // 10, least)), (OVERLOAD, sums)):
        watch.phase = phase
        offer.offer(many)
        _await_counted(totals, offer)
    watch.phase = AWAY
    system.lines.tell(_DATABASE, Proxy.cut)
    offer.offer(sums)
    system.lines.tell(_DATABASE, Proxy.restore)
    _await_counted(totals, offer)


def _await_counted(totals: Totals, offer: Offer) -> None:
    """Wait until all that was accepted is counted."""

    def all_counted() -> steps.Readiness:
        try:
            counted = totals.total() // 2
        except SumflowError as error:
            return steps.NotYet(error.what)
        return steps.Ready() if counted >= offer.accepted else steps.NotYet(f"{counted:,} of {offer.accepted:,}")

    await_ready("all sums counted", all_counted, _COUNTED_WITHIN_S)
