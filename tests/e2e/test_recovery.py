"""Losses that a system cannot get over by itself, on real servers, and the one command that mends them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from sumflow.audit import records
from sumflow.audit.facts import Books
from sumflow.verify import on_machine
from tests.e2e.system import System, eventually
from tests.e2e.test_one_machine import SAMPLE

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module", autouse=True)
def _up(system: System) -> None:
    system.up("dev")
    system.run("add", "--file", str(SAMPLE))


@pytest.fixture
def books(system: System) -> Iterator[Books]:
    """Where both sides' books are; they stay there over a restart."""
    with on_machine.target(system.data_dir).books() as opened:
        yield opened


def retention_passes(system: System, books: Books) -> None:
    """Remove everything from the topic that is in it now, as its retention does."""
    target = on_machine.target(system.data_dir)
    bootstrap = target.names[str(target.topology.kafka.bootstrap)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ends = [TopicPartition(books.topic, p, e.end) for p, e in records.extents(bootstrap, books.topic).items() if e.end]
    for future in admin.delete_records(ends).values():
        future.result(20)


def _halted(system: System) -> bool:
    """Tell whether the totalizer has halted; then every place where a person looks names the remedy."""
    problem = system.components()["totalizer-0"]["problem"]
    if "halted" not in problem:
        return False
    assert "`sumflow rebuild`" in problem
    return True


def _rebuilt(system: System, total: int) -> None:
    """Rebuild: audited clean, the totalizer goes on by itself, the total is what was acknowledged, and moves on."""
    done = system.json("rebuild", "--yes")
    assert done["audit"]["clean"], done
    assert done["after"]["sum"] == total
    eventually(system.healthy, "everything healthy after the rebuild")
    system.run("add", "1", "1")
    assert system.total() == total + 2
    assert system.json("audit", "--deep")["clean"]


def test_the_totalizers_database_is_lost_after_retention(system: System, books: Books) -> None:
    """An empty database under a topic that has lost its beginning: halted and said, and everything is back at once."""
    total = system.total()
    retention_passes(system, books)
    system.run("down")
    shutil.rmtree(system.data_dir / "data" / "totalizer-postgres-0")
    system.up("dev")
    assert _halted(system)
    assert system.total() == 0
    assert system.json("audit", code=1)["findings"]
    _rebuilt(system, total)


def test_kafka_is_lost(system: System) -> None:
    """Every record and the topic itself gone: halted and said; a dry run changes nothing; rebuilt, all is there."""
    total = system.total()
    system.run("down")
    shutil.rmtree(system.data_dir / "data" / "kafka-0")
    system.up("dev")
    assert _halted(system)
    (finding,) = system.json("audit", code=1)["findings"]
    assert (finding["kind"], finding["subject"]) == ("held up", "topic")
    assert system.json("rebuild", "--dry-run")["after"]["sum"] == total
    assert _halted(system)
    system.run("add", "20", "22", "--no-wait")
    _rebuilt(system, total + 42)


def test_both_are_lost(system: System) -> None:
    """Kafka and the totalizer's database at once: the audit finds what the total lacks, and the rebuild brings it."""
    total = system.total()
    system.run("down")
    for component in ("kafka-0", "totalizer-postgres-0"):
        shutil.rmtree(system.data_dir / "data" / component)
    system.up("dev")
    assert system.json("audit", code=1)["findings"]
    _rebuilt(system, total)


def test_retention_passes_under_load(system: System, books: Books) -> None:
    """The totalizer hangs, the topic loses what it had not read, clients go on, and so does the total when rebuilt."""
    before = system.total()
    with system.load() as load:
        eventually(lambda: load.acknowledged > 100, "the load")
        system.kill("totalizer-0", signal.SIGSTOP)
        goal = load.acknowledged + 1000
        eventually(lambda: load.acknowledged > goal, "the load goes on")
        retention_passes(system, books)
        system.kill("totalizer-0", signal.SIGCONT)
        eventually(lambda: _halted(system), "the halt")
        for _ in range(3):
            goal = load.acknowledged + 50
            eventually(lambda goal=goal: load.acknowledged > goal, "the load goes on")  # type: ignore[misc]
            assert system.json("rebuild", "--yes")["audit"]["clean"]
        eventually(system.healthy, "everything healthy after the rebuild")
    least, most = load.acknowledged, load.acknowledged + load.uncertain
    eventually(lambda: before + least <= system.total() <= before + most, f"a total from {least} to {most} more")
    eventually(lambda: system.json("audit")["lag"] == 0, "the end of the lag")
    assert system.json("audit", "--deep")["clean"]


def test_a_rebuild_that_is_killed_in_the_middle_has_changed_nothing(system: System, books: Books) -> None:
    """kill -9 while it writes: the books are as before, nobody waits for it, and the next one succeeds."""
    total = system.total()
    with psycopg.connect(books.totalizer) as connection:
        connection.execute("UPDATE totals SET sum = sum + 7 WHERE name = ''")
        connection.commit()
        connection.execute("SELECT 1 FROM totals FOR UPDATE")
        environment = {**os.environ, "SUMFLOW_DATA_DIR": str(system.data_dir)}
        command = [sys.executable, "-m", "sumflow", "rebuild", "--yes"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as rebuilding:
            waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
            eventually(lambda: connection.execute(waiting).fetchone() == (True,), "a rebuild that writes")
            rebuilding.kill()
        connection.rollback()
    audited = system.json("audit", code=1)
    assert [(f["kind"], f["subject"]) for f in audited["findings"]] == [("altered", "total")]
    assert system.total() == total + 7
    _rebuilt(system, total)


def _removed(system: System, *components: str) -> None:
    """Remove data under running components: status says so and what to type, and that makes it anew."""
    for component in components:
        data = system.data_dir / "data" / component
        gone = data.rename(data.with_suffix(".gone"))  # at once: whoever works in it goes on making files
        shutil.rmtree(gone, ignore_errors=True)
    assert "`sumflow up` makes it anew" in system.components()[components[0]]["problem"]
    told = system.run("up", "--detach")
    assert f"{', '.join(components)}: the data was gone and is made anew, empty" in told
    assert "made anew" in (system.data_dir / "logs" / "supervisor.log").read_text()


def test_kafka_and_the_totalizers_database_are_removed_under_the_running_system(system: System) -> None:
    """One `up`, without a `down`, brings both back, and the audit tells what they lack until a rebuild."""
    total = system.total()
    _removed(system, "kafka-0", "totalizer-postgres-0")
    assert system.json("audit", code=1)["findings"]
    _rebuilt(system, total)


def test_the_adders_database_is_removed_under_the_running_system(system: System) -> None:
    """An empty one takes additions at once; what was counted before is called invented until it is taken back."""
    _removed(system, "adder-postgres-0")
    system.run("add", "20", "22")
    assert {found["kind"] for found in system.json("audit", code=1)["findings"]} == {"invented"}
    system.run("rebuild", "--take-back", "--yes")
    assert (system.total(), system.json("audit")["clean"]) == (42, True)
