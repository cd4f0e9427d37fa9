"""A rebuild of the totals in the middle of a history, and the audit after it: the real code, on the simulated servers.

Between its look at the topic, its lock on the totalizer, its snapshot of the adder and its writing, others go on: all
of them before the lock, and afterwards all but totalizers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from sumflow.audit.compare import compare
from sumflow.audit.facts import Extent
from sumflow.audit.reading import read_cut
from sumflow.errors import SumflowError
from sumflow.recovery.rebuild import rebuild
from tests.simulation.adder_store import AdderStore
from tests.simulation.happenings import WORK, Happening, something_is_acknowledged, totalizer_goes_on
from tests.simulation.rebuild_store import STATEMENTS, Answer, RebuildConnection
from tests.simulation.storage import Violation, broken_connection
from tests.simulation.totalizer_store import Transactions
from tests.simulation.world import World

ALL_OF_IT: Final = 1_000_000
"""More transactions than a database has had."""
DEPTHS: Final = (1, 2, 3, 6, 9)
"""So many transactions of the adder's database are taken back."""
BEFORE_LIMIT: Final = 20
"""So much is done by others at most before somebody takes back what the adder lost."""
MEANWHILE_LIMIT: Final = 4
"""So much is done by others at most between two moments of a rebuild."""
BREAKS: Final = 0.3
TRIES_LIMIT: Final = 100
"""More than chance needs until one does not break off."""
LOSES_COMMIT: Final = 0.1
TAKES_BACK: Final = 0.5
_STATEMENTS: Final = sorted(STATEMENTS)
_BESIDE_THE_LOCK: Final[list[Happening]] = [
    something_is_acknowledged,
    *(happening for happening in WORK if happening is not totalizer_goes_on),
]


def totals_are_rebuilt(world: World) -> bool:
    """Somebody rebuilds the totals, needed or not; perhaps it breaks off, and perhaps somebody does it once more."""
    for _ in range(world.between(1, 2)):
        _rebuild(world, take_back=world.random.random() < TAKES_BACK)
    return True


def totalizer_database_is_lost(world: World) -> bool:
    """The totalizer's database is lost and made anew, and somebody rebuilds the totals until that is done."""
    world.truth.totalizer.journal.fall_behind(ALL_OF_IT)
    return _rebuild_in_the_end(world)


def adder_database_is_restored(world: World) -> bool:
    """The adder's database is brought back to an earlier moment, and what it forgot is taken back from the totals."""
    world.is_harmed = True  # clients may notice before all of this is over
    world.truth.fail_over(world.pick(DEPTHS))
    for _ in range(world.between(0, BEFORE_LIMIT)):
        world.pick(WORK)(world)
    return _rebuild_in_the_end(world)


def _rebuild_in_the_end(world: World) -> bool:
    if not any(_rebuild(world, take_back=True) for _ in range(TRIES_LIMIT)):
        raise Violation(f"{TRIES_LIMIT} rebuilds have failed, one after the other")
    return True


def _rebuild(world: World, *, take_back: bool) -> bool:
    """Run one; return whether it says that it is done."""
    books: Any = Books(world, breaks=world.random.random() < BREAKS)
    try:
        decided = rebuild(books, take_back=take_back)
    except SumflowError:
        return False
    if decided.ahead and not take_back:
        raise Violation(f"a rebuild took {decided.ahead} back without consent")
    return True


def audit(world: World) -> None:
    """Audit what is at rest; raise Violation for what it finds."""
    books: Any = Books(world, breaks=False, meanwhile=False)
    report = compare(read_cut(books, books, books.topic, books.extents, books.identity))
    if report.findings:
        raise Violation(f"the audit finds {report.findings[0]}")


class Books:
    """In the place of a system's addresses: knows where it is asked, and lets others act in between.

    Args:
        world: in which the system is.
        breaks: whether something breaks on the way.
        meanwhile: whether others go on.
    """

    topic = "sums"

    def __init__(self, world: World, *, breaks: bool, meanwhile: bool = True) -> None:
        self._world, self._meanwhile = world, MEANWHILE_LIMIT if meanwhile else 0
        self._totalizer = Transactions(world.truth.totalizer, RebuildConnection)
        self._writes: Any = None
        self._adder_breaks = False
        if breaks:
            self._break(world)

    @property
    def adder(self) -> Books:
        """The adder's address: itself."""
        return self

    @property
    def totalizer(self) -> Books:
        """The totalizer's address: itself."""
        return self

    def _break(self, world: World) -> None:
        self._adder_breaks = world.random.random() < LOSES_COMMIT
        if world.random.random() < LOSES_COMMIT:
            self._totalizer.loses_commit = world.pick((True, False))
        else:
            self._totalizer.fails_at = world.pick(_STATEMENTS)

    def identity(self) -> UUID:
        """Tell which topic there is."""
        return self._world.topic.identity

    def extents(self) -> Mapping[int, Extent]:
        """Tell what its partitions hold."""
        topic = self._world.topic
        held = {p: Extent(first, len(log)) for p, (first, log) in enumerate(zip(topic.first, topic.logs, strict=True))}
        self._world.truth.rebuild_looks()
        self._others_act()
        return held

    def _others_act(self) -> None:
        kinds = _BESIDE_THE_LOCK if self._writes and self._writes.holds else WORK
        for _ in range(self._world.between(0, self._meanwhile)):
            self._world.pick(kinds)(self._world)

    @contextlib.contextmanager
    def connected(self, whose: str) -> Iterator[Any]:
        """Open a session that reads, as `sumflow.audit.reading.connected` does."""
        if whose == "totalizer":
            with self._totalizer.transaction() as connection:
                yield Reading(connection.execute, contextlib.nullcontext)
            return
        store = self._world.truth.adder
        session = store.connect()
        try:
            yield Reading(partial(_ask, store, session), self._snapshot)
        finally:
            store.end(session)

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Be the adder's one moment, with time before and after it."""
        if self._adder_breaks:
            raise broken_connection()
        self._others_act()
        yield
        self._others_act()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """Open the one transaction of a rebuild; what it commits is a rebuild's, and judged as such."""
        truth = self._world.truth
        truth.rebuild_begins()
        try:
            with self._totalizer.transaction() as connection:
                self._writes = connection
                yield connection
        finally:
            truth.rebuild_ends()


class Reading:
    """A session that reads."""

    def __init__(self, execute: Callable[..., Any], transaction: Callable[[], Any]) -> None:
        self._execute = execute
        self.transaction = transaction

    def execute(self, query: str, parameters: dict[str, Any] | None = None) -> Any:
        """Run one statement."""
        return self._execute(query, parameters or {})


def _ask(store: AdderStore, session: Any, query: str, parameters: dict[str, Any]) -> Answer:
    rows, _ = store.execute(session, query, parameters)
    return Answer(rows)
