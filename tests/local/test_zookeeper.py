"""What a full disk leaves in a ZooKeeper node's directory is put aside, and nothing else is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sumflow.errors import StepError
from sumflow.local import jars, java, jvm, kafka, process, zookeeper
from sumflow.local.checks import ZooKeeperAlive, ZooKeeperServes, problem_of
from sumflow.settings import CommandSettings, load
from sumflow.steps import NotYet, Readiness, Ready
from tests.ports import free_port
from tests.servers import await_ready, small_cluster

HEADER = b"ZKLG" + bytes(3) + b"\2" + bytes(8)
KAFKA_WITH_ZOOKEEPER = "3.7.0"


def logs(data: Path, **contents: bytes) -> Path:
    """Write transaction logs, named by their first transaction, into a node's directory; return it."""
    (data / "version-2").mkdir()
    for zxid, content in contents.items():
        (data / "version-2" / f"log.{zxid.removeprefix('x')}").write_bytes(content)
    return data


def names(data: Path) -> set[str]:
    """Return what is in the directory."""
    return {path.name for path in (data / "version-2").iterdir()}


def test_a_newest_log_without_a_header_is_put_aside(tmp_path: Path) -> None:
    """Empty, cut short or nothing but zeros: it is renamed, and said; what is older and whole stays."""
    for i, content in enumerate((b"", HEADER[:15], bytes(100_000))):
        (directory := tmp_path / str(i)).mkdir()
        data = logs(directory, x100000001=HEADER + b"transactions", x200000001=content)
        assert zookeeper.headless_log(data) == data / "version-2" / "log.200000001"
        assert "log.200000001" in zookeeper.put_headless_logs_aside(data)
        assert names(data) == {"log.100000001", "headless-log.200000001"}


def test_the_newest_is_known_by_its_number(tmp_path: Path) -> None:
    """Names are hexadecimal numbers of different lengths; several at the end go one after the other."""
    data = logs(tmp_path, x9=HEADER + b"transactions", xa=b"", x100000001=b"")
    said = zookeeper.put_headless_logs_aside(data)
    assert said.endswith("log.100000001, log.a")
    assert names(data) == {"log.9", "headless-log.a", "headless-log.100000001"}


def test_a_log_that_something_is_in_stays(tmp_path: Path) -> None:
    """A log with its header, one with transactions and a damaged header, and an empty one before a whole one."""
    data = logs(tmp_path, x1=b"", x2=HEADER, x3=HEADER + bytes(100_000))
    assert (zookeeper.headless_log(data), zookeeper.put_headless_logs_aside(data)) == (None, "")
    (data / "version-2" / "log.4").write_bytes(bytes(70_000) + b"a transaction")
    assert zookeeper.put_headless_logs_aside(data) == ""
    assert names(data) == {"log.1", "log.2", "log.3", "log.4"}


def test_a_node_without_a_past_is_left_alone(tmp_path: Path) -> None:
    """No directory, no logs: nothing to do."""
    assert zookeeper.put_headless_logs_aside(tmp_path) == ""
    assert zookeeper.put_headless_logs_aside(logs(tmp_path)) == ""


@pytest.mark.integration
def test_zookeeper_starts_again_after_a_full_disk(tmp_path: Path) -> None:
    """A real node does not start on an empty newest log, and does once that is put aside."""
    node = kafka.ZooKeeper(1, tmp_path / "data", free_port(), free_port(), free_port())
    with running(tmp_path, node):
        assert problem_of(ZooKeeperAlive(node.client_port, str(node.data)), 5) is None
    (node.data / "version-2" / "log.1").touch()
    with pytest.raises(StepError, match="ended"), running(tmp_path, node):
        pass
    assert zookeeper.put_headless_logs_aside(node.data)
    with running(tmp_path, node):
        (node.data / "version-2" / "log.2").touch()
        said = problem_of(ZooKeeperAlive(node.client_port, str(node.data)), 5)
    assert said == "it cannot read log.2, which has no header"


@contextmanager
def running(directory: Path, node: kafka.ZooKeeper) -> Iterator[None]:
    """Run a node until it serves, and for the block."""
    settings = load(CommandSettings)
    machine = jvm.Jvm(java.find(settings), jars.ensure(settings.cache_dir, jars.load_lock(KAFKA_WITH_ZOOKEEPER)))
    layout = kafka.Layout(small_cluster(), "sumflow-tests-0000000g", (), (node,))
    properties = directory / "zoo.cfg"
    properties.write_text(kafka.properties_text(kafka.zookeeper_properties(layout, node)), encoding="utf-8")
    command = machine.command(jvm.ZOOKEEPER, str(properties), heap="96m")
    started = process.start(process.Command(command, directory / "zookeeper.log"))
    try:
        await_ready("ZooKeeper", lambda: _serves(node, started))
        yield
    finally:
        started.kill()
        started.wait()


def _serves(node: kafka.ZooKeeper, started: subprocess.Popen[bytes]) -> Readiness:
    if started.poll() is not None:
        raise StepError("the node ended at once")
    problem = problem_of(ZooKeeperServes(node.client_port), 1)
    return NotYet(problem) if problem else Ready()
