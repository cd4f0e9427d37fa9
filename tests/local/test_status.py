"""What `status`, `doctor`, `destroy` and a failing bring-up say, without a system that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sumflow import steps
from sumflow.errors import NotRunningError, StepError, SumflowError, UsageError
from sumflow.local import (
    archive,
    bringup,
    datadir,
    facade,
    jars,
    java,
    jvm,
    plan,
    postgres,
    preflight,
    process,
    state,
    status,
)
from sumflow.local.checks import CommandOk
from sumflow.local.datadir import FORMAT, DataDir, Mark
from sumflow.local.lifecycle import Life, Rules
from sumflow.local.options import UpOptions
from sumflow.local.process import Identity
from sumflow.local.state import ComponentState, SystemPhase, SystemState
from sumflow.settings import CommandSettings
from tests.ports import free_port_base
from tests.servers import small_cluster

FINE = CommandOk((sys.executable, "-c", ""))
BROKEN = CommandOk((sys.executable, "-c", "import sys; sys.exit('no quorum')"))
DEAD = Identity(2**22 - 1, 1.0)


def component(name: str, check: CommandOk, identity: Identity | None) -> ComponentState:
    """Return a component's record."""
    return ComponentState(
        name=name,
        what="a program",
        stage="services",
        phase="ready",
        addresses=("127.0.0.1:1",),
        readiness=check,
        log="x.log",
        process=identity,
    )


def recorded(directory: Path, supervisor: Identity, *components: ComponentState) -> DataDir:
    """Write a state file and return its directory."""
    home = DataDir(directory)
    record = SystemState(
        profile="dev",
        phase=SystemPhase.UP,
        supervisor=supervisor,
        started_at=0.0,
        discovery={},
        components=components,
    )
    state.write(home, record)
    return home


@pytest.fixture
def me() -> Identity:
    """This process, which certainly lives."""
    return Identity.of(os.getpid())


def test_everything_well_is_healthy(tmp_path: Path, me: Identity) -> None:
    """A living supervisor and components that pass their checks make a healthy system, with memory and uptime."""
    seen = status.look(recorded(tmp_path, me, component("a", FINE, me)))
    assert (seen.healthy, seen.phase, seen.components[0].state) == (True, "up", "ready")
    assert seen.components[0].memory_bytes > 1 << 20
    assert seen.memory_bytes >= seen.components[0].memory_bytes


def test_a_failing_check_is_seen_now_not_as_recorded(tmp_path: Path, me: Identity) -> None:
    """The record says ready, the process says otherwise: that is what is told."""
    seen = status.look(recorded(tmp_path, me, component("a", FINE, me), component("b", BROKEN, me)))
    assert [(c.healthy, c.problem) for c in seen.components] == [(True, ""), (False, "no quorum")]
    assert seen.components[1].state == "unready"
    assert not seen.healthy


def test_a_dead_process_is_told_from_a_living_one(tmp_path: Path, me: Identity) -> None:
    """A recorded process id that is nobody's any more is dead, whatever the record says."""
    seen = status.look(recorded(tmp_path, me, component("a", FINE, DEAD)))
    assert (seen.components[0].state, seen.components[0].pid, seen.healthy) == ("dead", None, False)


def test_a_process_that_ends_while_it_is_looked_at_has_no_memory() -> None:
    """Processes come and go while `status` looks: that is no error."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        looked_at = psutil.Process(ended.pid)
        ended.wait()
        assert status.memory_of(looked_at) == 0


def test_components_without_a_supervisor_are_orphans(tmp_path: Path, me: Identity) -> None:
    """They work, but nobody restarts them: not healthy."""
    seen = status.look(recorded(tmp_path, DEAD, component("a", FINE, me)))
    assert (seen.phase, seen.supervisor, seen.healthy) == ("orphaned", None, False)


def test_nothing_alive_is_not_running(tmp_path: Path) -> None:
    """No state, or one whose processes are all gone, is exit code 3 with the command that helps."""
    with pytest.raises(NotRunningError) as raised:
        status.look(DataDir(tmp_path))
    assert "sumflow up" in raised.value.remedy
    with pytest.raises(NotRunningError):
        status.look(recorded(tmp_path, DEAD, component("a", FINE, DEAD)))
    with pytest.raises(NotRunningError):
        facade.addresses(tmp_path)


def test_destroying_nothing_is_no_error_and_foreign_files_are(tmp_path: Path) -> None:
    """A directory that is not there, or empty, is fine; somebody else's is refused and left."""
    assert facade.destroy(tmp_path / "none") is False
    (tmp_path / "empty").mkdir()
    assert facade.destroy(tmp_path / "empty") is False
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        facade.destroy(tmp_path)
    assert (tmp_path / "file").exists()


def test_destroying_removes_what_is_ours(tmp_path: Path) -> None:
    """A marked directory is emptied, and can be used again."""
    home = DataDir(tmp_path)
    home.prepare(Mark(format=FORMAT, profile="dev", cluster_id="x"))
    assert facade.destroy(tmp_path) is True
    assert list(tmp_path.iterdir()) == []


def test_logs_are_found_by_component(tmp_path: Path) -> None:
    """All logs, one log, and for a wrong name those that there are."""
    with pytest.raises(NotRunningError):
        facade.log_files(tmp_path)
    (tmp_path / "logs").mkdir()
    for name in ("adder-0", "kafka-0"):
        DataDir(tmp_path).log(name).touch()
    assert set(facade.log_files(tmp_path)) == {"adder-0", "kafka-0"}
    assert set(facade.log_files(tmp_path, "kafka-0")) == {"kafka-0"}
    with pytest.raises(UsageError) as raised:
        facade.log_files(tmp_path, "kafka-9")
    assert "kafka-0" in raised.value.remedy


def findings(directory: Path, **options: object) -> dict[str, tuple[bool, str, str]]:
    """Let the doctor look; return its findings by subject."""
    asked = UpOptions(data_dir=directory, cache_dir=directory / "cache", **options)  # type: ignore[arg-type]
    return {f.subject: (f.ok, f.seen, f.remedy) for f in facade.diagnose(asked)}


def test_the_doctor_finds_nothing_on_a_fit_machine(tmp_path: Path) -> None:
    """Where the tests run, an `up` into a new directory would succeed; nothing is created by asking."""
    found = findings(tmp_path / "data", port_base=free_port_base())
    assert {subject: seen for subject, (ok, seen, _) in found.items() if not ok} == {}
    assert "will be downloaded" in found["downloads"][1]
    assert not (tmp_path / "data").exists()


def test_the_doctor_names_what_would_stop_an_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign directory, taken ports, a missing profile: each with a remedy, all in one answer."""
    (tmp_path / "thesis.txt").touch()
    monkeypatch.setattr(preflight, "is_free", lambda port: port != 50051)
    found = findings(tmp_path)
    assert {subject for subject, (ok, _, _) in found.items() if not ok} == {"data directory", "ports"}
    assert "50051" in found["ports"][1]
    assert all(remedy for ok, _, remedy in found.values() if not ok)
    assert findings(tmp_path, profile="nonsense")["manifests"][0] is False


def test_a_component_without_hope_ends_the_bringup(tmp_path: Path) -> None:
    """Three crashes in a row before it was ever ready: the error shows the last lines of its log."""
    log = tmp_path / "a.log"
    log.write_text("starting\nFATAL: wrong ownership\n")
    hopeless = plan.Component("a", "", "kafka", process.Command(("x",), log), FINE, None, Rules(), ())
    bringup._require_hope(hopeless, Life(crashes=2))
    bringup._require_hope(hopeless, Life(crashes=9, ready_once=True))
    with pytest.raises(StepError, match="3 times") as raised:
        bringup._require_hope(hopeless, Life(crashes=3, last_exit="ended with exit code 1"))
    assert "wrong ownership" in raised.value.why


def test_a_class_archive_fits_one_java_and_one_set_of_jars(tmp_path: Path) -> None:
    """Another release of Java, other jars or ZooKeeper beside the broker mean another archive."""
    one = java.Java(Path("/jdk/bin/java"), "21.0.8", 21, "PATH")
    other = java.Java(Path("/jdk/bin/java"), "21.0.9", 21, "PATH")
    machines = [jvm.Jvm(one, (Path("a.jar"),)), jvm.Jvm(other, (Path("a.jar"),)), jvm.Jvm(one, (Path("b.jar"),))]
    found = {archive.path(tmp_path, machine, small_cluster()) for machine in machines}
    assert len(found) == 3
    assert archive.path(tmp_path, machines[0], small_cluster()) in found


def test_kafka_starts_without_an_archive_if_none_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed trial is told in the step's evidence, and costs the bring-up nothing else."""

    def fail(*_: object) -> jvm.Jvm:
        raise SumflowError("the trial run of Kafka ended at once")

    monkeypatch.setattr(archive, "ensure", fail)
    monkeypatch.setattr(jars, "ensure", lambda *_: (Path("kafka.jar"),))
    programs = bringup.Programs(CommandSettings(), small_cluster(), tmp_path, steps.Silent())
    steps.run([programs.step()], steps.Silent())
    assert programs.jvm is not None
    assert programs.jvm.archive is None
    assert "trial run" in programs.note


def test_options_survive_the_way_to_a_detached_supervisor(tmp_path: Path) -> None:
    """What is written as text is read as the same options."""
    options = UpOptions(
        profile="spec", data_dir=tmp_path, cache_dir=tmp_path / "c", port_base=21000, manifests=tmp_path
    )
    assert UpOptions.from_json(options.to_json()) == options


def test_two_first_starts_share_one_cache(tmp_path: Path) -> None:
    """While one process fills a cache, another waits for it, and goes on when it is done."""
    waiting = (
        "import sys; from pathlib import Path; from sumflow.local import datadir\n"
        "print('asks', flush=True)\n"
        "with datadir.one_at_a_time(Path(sys.argv[1])): print((Path(sys.argv[1]) / 'made').exists(), flush=True)"
    )
    with datadir.one_at_a_time(tmp_path):
        other = subprocess.Popen([sys.executable, "-c", waiting, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert other.stdout
        assert other.stdout.readline() == "asks\n"
        (tmp_path / "made").touch()
    assert other.communicate(timeout=30)[0] == "True\n"


def test_wal_that_waits_for_its_archive_is_told(tmp_path: Path) -> None:
    """Once there are backups: a segment that just ended is no news, one that was refused for minutes is."""
    marks, archive_link = tmp_path / "data/pg_wal/archive_status", tmp_path / "archive"
    marks.mkdir(parents=True)
    (marks / "000000010000000000000001.ready").touch()
    os.utime(marks / "000000010000000000000001.ready", (1, 1))
    assert postgres.archive_problem(tmp_path / "data", archive_link) == ""
    archive_link.symlink_to(tmp_path / "not mounted")
    assert "1 segments of WAL wait" in postgres.archive_problem(tmp_path / "data", archive_link)
    assert "which is not there" in postgres.archive_problem(tmp_path / "data", archive_link)
    os.utime(marks / "000000010000000000000001.ready")
    assert postgres.archive_problem(tmp_path / "data", archive_link) == ""
