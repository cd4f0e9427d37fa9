"""The data directory: whose it is, what may be removed, who works in it; and the files it keeps."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sumflow.errors import SumflowError, UsageError
from sumflow.local import credentials, datadir, state
from sumflow.local.checks import PortOpen
from sumflow.local.datadir import FORMAT, DataDir, Mark
from sumflow.local.process import Identity
from sumflow.local.state import ComponentState, SystemPhase, SystemState
from sumflow.topology.model import Secret, Source

MARK = Mark(format=FORMAT, profile="dev", cluster_id="first")


def secret(**values: str) -> Secret:
    """Return a Secret as the manifests declare one."""
    return Secret("db-secret", "sumflow", values, Source("k8s/x.yaml", 1))


def test_a_directory_keeps_its_clusters_id(tmp_path: Path) -> None:
    """Preparing it again changes nothing: Kafka's data belong to the id of the first time."""
    home = DataDir(tmp_path / "data")
    home.prepare(MARK)
    again = home.prepare(Mark(format=FORMAT, profile="dev", cluster_id="second"))
    assert again.cluster_id == "first"
    assert stat.S_IMODE((home.path / "secrets").stat().st_mode) == 0o700


def test_another_profile_is_refused(tmp_path: Path) -> None:
    """Data of one profile are not given to another; the remedy names both ways out."""
    home = DataDir(tmp_path)
    home.prepare(MARK)
    with pytest.raises(UsageError, match="dev") as raised:
        home.prepare(Mark(format=FORMAT, profile="spec", cluster_id="x"))
    assert "destroy" in raised.value.remedy
    assert "--data-dir" in raised.value.remedy


def test_a_foreign_directory_is_neither_used_nor_emptied(tmp_path: Path) -> None:
    """Something else's files are safe from `up` and from `destroy`."""
    (tmp_path / "thesis.txt").write_text("years of work")
    home = DataDir(tmp_path)
    with pytest.raises(UsageError):
        home.prepare(MARK)
    with pytest.raises(UsageError):
        home.remove_content()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_removing_follows_no_link_out_of_the_directory(tmp_path: Path) -> None:
    """A symbolic link in the data directory is removed, what it leads to is not."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    home = DataDir(tmp_path / "data")
    home.prepare(MARK)
    (home.path / "data" / "link").symlink_to(outside)
    (home.path / "link").symlink_to(outside)
    home.remove_content()
    assert (outside / "precious").exists()
    assert list(home.path.iterdir()) == []


def test_a_start_clears_what_is_generated_and_nothing_else(tmp_path: Path) -> None:
    """Libraries unpacked by a killed process do not pile up; data, secrets and logs stay."""
    home = DataDir(tmp_path)
    home.prepare(MARK)
    kept = [home.data("kafka-0"), home.log("kafka-0"), tmp_path / "secrets" / "x.json"]
    for file in (*kept, home.run_file("liblz4.so")):
        file.touch()
    home.clear_run_files()
    assert list((tmp_path / "run").iterdir()) == []
    assert all(file.exists() for file in kept)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b'{"format": 99, "profile": "dev", "cluster_id": "x"}',
        b'{"format": 1, "profile": "\xff", "cluster_id": "x"}',
    ],
)
def test_a_damaged_or_other_mark_is_refused_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    """A mark that is not ours to read is an error for a person, never a traceback, and nothing is removed."""
    home = DataDir(tmp_path)
    home.mark_file.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        home.prepare(MARK)
    assert raised.value.remedy


def test_a_nearly_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little free space stops the bring-up before anything is started."""
    usage = shutil.disk_usage(tmp_path)._replace(free=datadir.LEAST_FREE - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SumflowError, match="nearly full"):
        DataDir(tmp_path).prepare(MARK)


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "--data-dir")])
def test_what_the_disk_refuses_comes_with_a_remedy(tmp_path: Path, number: int, said: str) -> None:
    """A full disk and a missing permission are told apart, and each says what to do."""
    with pytest.raises(SumflowError) as raised, datadir.clear_disk_errors(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path))
    assert said in raised.value.remedy


def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    """While one holds it, another is told no, and who holds it; afterwards it is free again."""
    home = DataDir(tmp_path)
    with datadir.exclusive(home) as first, datadir.exclusive(home) as second:
        assert (first, second) == (True, False)
        assert home.supervisor() == os.getpid()
    assert home.supervisor() is None


def test_who_only_asks_is_never_taken_for_a_supervisor(tmp_path: Path) -> None:
    """Two commands that ask at the same moment see nobody, where one would otherwise be stopped by the other."""
    home = DataDir(tmp_path)
    with datadir.exclusive(home):
        pass
    home.lock_file.write_text("1")
    with home.lock_file.open("rb") as asked:
        fcntl.flock(asked, fcntl.LOCK_SH)
        assert home.supervisor() is None
    assert home.supervisor() is None
    assert home.lock_file.read_text() == "1"


def test_a_dead_holders_lock_is_free(tmp_path: Path) -> None:
    """The lock of a process that was killed keeps nobody out."""
    holding = (
        "import sys, time; from pathlib import Path; from sumflow.local import datadir\n"
        "with datadir.exclusive(datadir.DataDir(Path(sys.argv[1]))): print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", holding, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    assert DataDir(tmp_path).supervisor() == child.pid
    child.kill()
    child.wait()
    with datadir.exclusive(DataDir(tmp_path)) as free:
        assert free
    child.stdout.close()


def test_a_placeholder_is_replaced_once_and_kept(tmp_path: Path) -> None:
    """The generated value stays the same, is nobody's to read, and hides the placeholder."""
    declared = secret(POSTGRES_USER="adder", POSTGRES_PASSWORD="adder-secret-change-me")
    first = credentials.ensure(tmp_path, [declared])
    assert credentials.ensure(tmp_path, [declared]) == first == credentials.read(tmp_path)
    values = first["sumflow", "db-secret"]
    assert values["POSTGRES_USER"] == "adder"
    assert "change-me" not in values["POSTGRES_PASSWORD"]
    assert len(values["POSTGRES_PASSWORD"]) >= 32
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600]


def test_a_damaged_mark_can_be_written_again_as_its_error_says(tmp_path: Path) -> None:
    """The remedy names content that is a mark, so that nobody has to remove the data beside it."""
    home = DataDir(tmp_path)
    home.mark_file.write_bytes(b"")
    with pytest.raises(UsageError) as raised:
        home.mark()
    said = raised.value.remedy
    home.mark_file.write_text(said[said.index("{") : said.index("}") + 1].replace("PROFILE", "kraft"))
    assert home.mark() == Mark(format=FORMAT, profile="kraft", cluster_id="ID")


@pytest.mark.parametrize("content", [b"{", b'{"POSTGRES_PASSWORD": "\xff"}'])
def test_a_damaged_secret_is_not_replaced(content: bytes, tmp_path: Path) -> None:
    """A new password would lock everybody out of the database: the file is left and the error says so."""
    file = tmp_path / "sumflow.db-secret.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        credentials.ensure(tmp_path, [secret(POSTGRES_PASSWORD="change-me")])
    assert file.read_bytes() == content


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What the supervisor writes is what the other commands read; no file means no state."""
    home = DataDir(tmp_path)
    assert state.read(home) is None
    identity = Identity.of(os.getpid())
    component = ComponentState(
        name="kafka-0",
        what="Kafka",
        stage="kafka",
        phase="ready",
        addresses=("127.0.0.1:9092",),
        readiness=PortOpen(9092),
        log="x",
        process=identity,
    )
    written = SystemState(
        profile="dev",
        phase=SystemPhase.UP,
        supervisor=identity,
        started_at=1.5,
        discovery={"a:1": "127.0.0.1:2"},
        components=(component,),
    )
    state.write(home, written)
    assert state.read(home) == written


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"profile": "dev"}'])
def test_a_damaged_state_is_an_error_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    """Half a state file leads to a sentence and to `sumflow down`."""
    DataDir(tmp_path).state_file.write_bytes(content)
    with pytest.raises(SumflowError) as raised:
        state.read(DataDir(tmp_path))
    assert "sumflow down" in raised.value.remedy


def test_an_identity_outlives_no_process() -> None:
    """The same number with another birth is another process."""
    mine = Identity.of(os.getpid())
    found = mine.find()
    assert isinstance(found, psutil.Process)
    assert Identity(mine.pid, mine.created_at - 10).find() is None
