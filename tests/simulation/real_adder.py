"""The same statements for the adder's simulated database and for a real one, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from uuid import UUID

import psycopg

from sumflow.adder.session import SQL
from sumflow.audit.reading import SQL as AUDIT
from sumflow.database import array_of_numbers, array_of_texts, newest_migration
from tests.simulation.adder_store import AdderStore, Session
from tests.simulation.rebuild_store import RECOVERY
from tests.simulation.storage import Blocked

WRITERS: Final = (0, 1)
RELAYS: Final = (2, 3)
TOTALS: Final = ("", "a", 'b"{}, \\')
_ENDS: Final = "SELECT pg_terminate_backend(%s, 5000)"


@dataclass(slots=True)
class Pair:
    """A session with each of the two."""

    simulated: Session
    real: psycopg.Connection[Any]


@dataclass(slots=True)
class BothAdders:
    """Runs random statements on both databases, and compares every answer.

    Args:
        url: of the real database, migrated.
        random: decides.
    """

    url: str
    random: Random
    store: AdderStore = field(init=False)
    pairs: list[Pair] = field(init=False)
    compared: int = 0

    def __post_init__(self) -> None:
        self.store = AdderStore(lambda _: None)
        self.pairs = [self._connect() for _ in (*WRITERS, *RELAYS)]

    def _connect(self) -> Pair:
        return Pair(self.store.connect(), psycopg.connect(self.url, autocommit=True, options="-c lock_timeout=2000"))

    def close(self) -> None:
        """Compare what statements do not show, and end all sessions."""
        with psycopg.connect(self.url, autocommit=True) as other:
            rows = other.execute("SELECT lane, total, count, sum FROM lane_totals ORDER BY 1, 2").fetchall()
        assert rows == [(*key, *row) for key, row in sorted(self.store.lane_totals.items())]
        for pair in self.pairs:
            pair.real.close()

    def step(self) -> None:
        """Do one random thing."""
        if self.random.random() < 0.03:
            self._reconnect(self.random.randrange(len(self.pairs)))
        elif self.random.random() < 0.6:
            self._write(self.pairs[self.random.choice(WRITERS)])
        elif self.random.random() < 0.2:
            self._read(self.pairs[self.random.choice(RELAYS)])
        else:
            self._relay(self.pairs[self.random.choice(RELAYS)])

    def _reconnect(self, index: int) -> None:
        pair = self.pairs[index]
        self.store.end(pair.simulated)
        with psycopg.connect(self.url, autocommit=True) as other:
            other.execute(_ENDS, (pair.real.info.backend_pid,))
        pair.real.close()
        self.pairs[index] = self._connect()

    def _write(self, pair: Pair) -> None:
        choice = self.random.random()
        if pair.simulated.in_transaction:
            if choice < 0.4:
                self._both(pair, "COMMIT" if choice < 0.3 else "ROLLBACK", {})
            elif choice < 0.7 and not pair.simulated.writes:
                self._both(pair, SQL.remember_requests, self._requests())
            elif not any(table is self.store.lanes for table, _, _ in pair.simulated.writes):
                self._both(pair, SQL.store_group, self._group())
        elif choice < 0.2:
            lane = UUID(int=self.random.getrandbits(128), version=4)
            self._both(pair, SQL.open_lane, {"lane": lane, "owner": f"adder-{self.random.randint(0, 1)}"})
        elif choice < 0.5:
            self._both(pair, "BEGIN", {})
        elif choice < 0.8:
            self._both(pair, SQL.store_group, self._group())
        elif choice < 0.9:
            self._both(pair, SQL.known_requests, {"ids": self._ids()})
        else:
            self._both(pair, SQL.close_lane, {"number": self._number()})

    def _relay(self, pair: Pair) -> None:
        numbers = sorted({self._number() for _ in range(3)} & self.store.lanes.keys())
        statements: list[tuple[str, dict[str, Any]]] = [
            (SQL.survey, {"schema": newest_migration("sumflow.adder")}),
            (SQL.claim, {"number": self._number()}),
            (SQL.release, {"number": self._number()}),
            (SQL.fix_partition, {"number": (numbers or [0])[0], "partitions": self.random.randint(2, 3)}),
            (SQL.read_events, {"number": self._number(), "after": self.random.randint(0, 3), "limit": 3}),
            (SQL.record_published, {"numbers": numbers, "seqs": [self.random.randint(0, 6) for _ in numbers]}),
            (SQL.close_abandoned, {"numbers": numbers}),
            (SQL.finish_drained, {"numbers": numbers}),
        ]
        statement, parameters = self.random.choice(statements)
        if statement == SQL.claim and self.store.advisory.get((2, parameters["number"])) is pair.simulated:
            return  # PostgreSQL counts how often; a relay claims what nobody has
        if numbers:
            self._both(pair, statement, parameters)

    def _read(self, pair: Pair) -> None:
        numbers = sorted(self.store.lanes)
        statements: list[tuple[str, dict[str, Any]]] = [
            (AUDIT.published, {}),
            (AUDIT.accepted, {"kept_since": datetime(2026, 1, 1, tzinfo=UTC)}),
            (AUDIT.tails, {"numbers": numbers, "marks": [self.random.randint(0, 3) for _ in numbers]}),
            (AUDIT.accepted_totals, {}),
            (RECOVERY.accepted_names, {}),
        ]
        self._both(pair, *self.random.choice(statements))

    def _number(self) -> int:
        return self.random.randint(1, max(self.store.lanes, default=0) + 1)

    def _ids(self) -> list[str]:
        return sorted({f"request-{self.random.randint(0, 9)}" for _ in range(2)})

    def _requests(self) -> dict[str, Any]:
        ids = self._ids()
        numbers = list(range(len(ids)))
        return {
            "lane": UUID(int=7),
            "ids": ids,
            "seqs": numbers,
            "digests": [b"d"] * len(ids),
            "xs": numbers,
            "ys": numbers,
            "totals": [self.random.choice(TOTALS) for _ in ids],
        }

    def _group(self) -> dict[str, Any]:
        number = self._number()
        row = self.store.lanes.get(number)
        last_seq = row.last_seq if row and self.random.random() < 0.8 else self.random.randint(0, 3)
        xs = [self.random.randint(-9, 9) for _ in range(self.random.randint(1, 3))]
        array = array_of_numbers(xs)
        created_at = datetime(2026, 1, 2, tzinfo=UTC)
        group = {"number": number, "last_seq": last_seq, "count": len(xs), "sum": 2 * sum(xs), "created_at": created_at}
        group |= {"xs": array, "ys": array, "traceparents": "{}"}
        names = sorted({self.random.choice(TOTALS) for _ in range(2)} - {""})
        totals = [self.random.choice(["", *names]) for _ in xs] if names else []
        group |= {"totals": array_of_texts(totals), "names": array_of_texts(names)}
        return group | {"counts": array_of_numbers([1] * len(names)), "sums": array_of_numbers([2] * len(names))}

    def _both(self, pair: Pair, statement: str, parameters: dict[str, Any]) -> None:
        try:
            expected: Any = self.store.execute(pair.simulated, statement, parameters)
        except Blocked:
            return  # the real one would wait, too: that it waits where the simulated one does not, lock_timeout tells
        except psycopg.errors.CheckViolation:
            expected = psycopg.errors.CheckViolation
        try:
            cursor = pair.real.execute(statement, parameters)
            rows = cursor.fetchall() if cursor.description else []
            found: Any = (sorted(rows), cursor.rowcount if cursor.rowcount >= 0 else -1)
        except psycopg.errors.CheckViolation:
            found = psycopg.errors.CheckViolation
        if isinstance(expected, tuple):
            expected = (sorted(expected[0]), found[1] if statement in {"BEGIN", "COMMIT", "ROLLBACK"} else expected[1])
        assert found == expected, f"{statement}\n{parameters}\nPostgreSQL: {found}\nsimulated: {expected}"
        self.compared += 1
