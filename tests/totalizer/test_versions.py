"""Two totalizers of different versions on one database and group: what the older one must not do any more."""

from __future__ import annotations

from typing import Final

import pytest

from sumflow.database import NewerSchemaError, migrate
from sumflow.errors import SumflowError
from tests.totalizer.bench import PATIENCE_S, Bench, Running
from tests.totalizer.records import Lane

pytestmark = pytest.mark.integration
NEWER: Final = "9999-of-a-newer-version"
MIGRATED: Final = "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES (%s, %s) RETURNING 1"


def update(bench: Bench) -> None:
    """Do to the database what the start of a newer totalizer does."""
    bench.query(MIGRATED, NEWER, NEWER)


def take_back(bench: Bench) -> None:
    """Let this version stand for the newer one, which knows its own migration."""
    bench.query("DELETE FROM _yoyo_migration WHERE migration_id = %s RETURNING 1", NEWER)


def test_an_older_totalizer_ends_when_a_newer_one_has_migrated(bench: Bench) -> None:
    """It counts nothing from then on, gives its partitions back with the reason, and the newer one counts all once."""
    lane = Lane()
    bench.add(lane, [1, 2, 3])
    older = Running(bench.settings)
    older.thread.start()
    bench.eventually(bench.total, (3, 6))
    update(bench)
    bench.add(lane, [4, 5])
    older.thread.join(PATIENCE_S)
    assert isinstance(older.failure, NewerSchemaError)
    assert NEWER in str(older.failure)
    assert bench.total() == (3, 6)
    take_back(bench)
    with bench.running():
        bench.eventually(bench.total, (5, 15))


def test_an_older_totalizer_does_not_start_on_a_newer_database(bench: Bench) -> None:
    """The start is refused with both versions' schemas and the remedy, and changes nothing."""
    update(bench)
    with pytest.raises(NewerSchemaError, match=NEWER) as refused:
        migrate(bench.settings, "sumflow.totalizer")
    assert isinstance(refused.value, SumflowError)
    assert "newer version" in refused.value.remedy
    with bench.process() as process:
        assert process.popen.wait(PATIENCE_S) == 1
