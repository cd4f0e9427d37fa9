"""Where a system's books are, and the two ways to look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sumflow.audit import records
from sumflow.audit.deep import Deep
from sumflow.audit.facts import Cut, Extent
from sumflow.audit.findings import Report
from sumflow.audit.reading import SQL, connected, read_cut
from sumflow.audit.records import Records
from sumflow.errors import NotRunningError


@dataclass(frozen=True, slots=True)
class SystemBooks:
    """The books of a running system.

    Args:
        adder: the connection string of the adder's database.
        totalizer: that of the totalizer's.
        topic: the topic between them.
        extents: asks the brokers what the topic's partitions hold.
        identity: asks them for the topic's id.
        records: starts reading the topic; raises NotRunningError where nobody is there who could.
    """

    adder: str
    totalizer: str
    topic: str
    extents: Callable[[], Mapping[int, Extent]]
    identity: Callable[[], UUID]
    records: Callable[[Mapping[int, Extent]], Records]

    @classmethod
    def of_servers(cls, adder: str, totalizer: str, bootstrap: str, topic: str) -> SystemBooks:
        """Return the books of a system whose brokers a client reaches."""
        return cls(
            adder,
            totalizer,
            topic,
            extents=partial(records.extents, bootstrap, topic),
            identity=partial(records.identity, bootstrap, topic),
            records=partial(records.read, bootstrap, topic),
        )

    def cut(self) -> Cut:
        """Read both sides at a cut; raise SumflowError if one cannot be read."""
        return read_cut(self.adder, self.totalizer, self.topic, self.extents, self.identity)

    def deep(self, progress: Callable[[int], None]) -> Report:
        """Compare event by event; a topic that nobody is there to read is left out, and the report says so."""
        with connected(self.adder, "adder") as adder, connected(self.totalizer, "totalizer") as totalizer:
            look = Deep(adder, totalizer, self.topic)
            look.databases()
            try:
                look.records(self.records, self.extents, progress)
            except NotRunningError as error:
                look.report.notes.append(f"the records of {self.topic} were not read: {error.what}")
        return look.report

    def occurrences(self, first: int, last: int) -> Mapping[int, int]:
        """Return how often each x within bounds is in the outbox; those that are not there are left out."""
        with connected(self.adder, "adder") as adder:
            return dict(adder.execute(SQL.occurrences, {"first": first, "last": last}).fetchall())
