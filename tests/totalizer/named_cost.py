"""What names cost in the totalizer: events over many names beside events over one, and over none.

Records as Kafka delivers them go through sorting, folding and the transaction on a real PostgreSQL of this machine,
batch by batch. CPU time is counted, of this process and of the server's session, so that other work on the machine does
not matter much; the kinds take turns all the same. SUMFLOW_TEST_POSTGRES names the server.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import psycopg

from sumflow.database import migrate
from sumflow.totalizer import ledger, upkeep
from sumflow.totalizer.positions import TopicFacts
from sumflow.totalizer.records import sort
from tests.totalizer.conftest import settings_for
from tests.totalizer.records import FakeRecord, Lane, named

TOPIC_ID: Final = uuid.UUID(int=5)
KINDS: Final = (0, 1, 1_000, 100_000)
"""Numbers of names; none is an addition to the one total."""


class Kind:
    """A lane of events that name so many totals.

    Args:
        names: how many.
        partition: where they are read from.
        connection: to the database.
    """

    def __init__(self, names: int, partition: int, connection: psycopg.Connection[Any]) -> None:
        self.names = names
        self._partition = partition
        self._connection = connection
        self._lane = Lane()
        self._random = Random(names)  # noqa: S311
        self._read = 0
        self.microseconds: list[float] = []
        """CPU time of an event, in each batch."""

    def batch(self, size: int) -> None:
        """Count one batch."""
        records = [self._record(seq) for seq in range(self._read + 1, self._read + size + 1)]
        began = self._cpu_s()
        with self._connection.transaction():
            reading = ledger.Reading("sums", TOPIC_ID, {self._partition: self._read}, {})
            outcome = ledger.record_batch(self._connection, sort(records), reading)
        self.microseconds.append((self._cpu_s() - began) / size * 1e6)
        assert outcome.counted == size
        self._read += size

    def _cpu_s(self) -> float:
        session = Path(f"/proc/{self._connection.info.backend_pid}/schedstat").read_text(encoding="ascii")
        return time.process_time() + int(session.split()[0]) / 1e9

    def _record(self, seq: int) -> FakeRecord:
        place = (self._partition, seq - 1)
        if not self.names:
            return self._lane.record(seq, seq, 1, place)
        return named(self._lane, seq, f"meter {self._random.randrange(self.names)}", seq, place)


@contextmanager
def database(server: str) -> Iterator[psycopg.Connection[Any]]:
    """A totalizer's database of its own."""
    name = f"n{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        url = psycopg.conninfo.make_conninfo(server, dbname=name)
        migrate(settings_for(url, "127.0.0.1:1", "sums"), "sumflow.totalizer")
        with psycopg.connect(url, autocommit=True) as connection:
            facts = TopicFacts(TOPIC_ID, {}, dict.fromkeys(range(len(KINDS)), 0))
            upkeep.register(connection, "sums", facts, facts.end_offsets)
            yield connection
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def main() -> None:
    """Measure, and print a line a kind."""
    parser = argparse.ArgumentParser(prog="python -m tests.totalizer.named_cost", description=__doc__)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30, help="the first third makes the names known and is left out")
    given = parser.parse_args()
    with database(os.environ["SUMFLOW_TEST_POSTGRES"]) as connection:
        kinds = [Kind(names, partition, connection) for partition, names in enumerate(KINDS)]
        for _ in range(given.rounds):
            for kind in kinds:
                kind.batch(given.batch)
    costs = {kind.names: statistics.median(kind.microseconds[given.rounds // 3 :]) for kind in kinds}
    for names, cost in costs.items():
        sys.stdout.write(f"{names:>7,} names: {cost:5.1f} us of CPU an event, {cost / costs[1]:.2f} x of one name\n")


if __name__ == "__main__":
    main()
