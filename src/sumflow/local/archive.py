"""The class archive: what Java makes of Kafka's classes at every start, made once and mapped from a file afterwards.

A trial broker that holds no data shows which classes are needed; starting then takes half the time and half the memory.
The archive fits exactly one Java and one set of jars; where it cannot be made or used, Java goes on without it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from sumflow import steps
from sumflow.errors import SumflowError
from sumflow.local import jvm, kafka, preflight, process
from sumflow.local.checks import Check, KafkaAnswers, ZooKeeperServes, problem_of
from sumflow.local.datadir import one_at_a_time
from sumflow.topology.model import KafkaCluster

_TRIAL_LIMIT_S: Final = 60.0
_CLUSTER_ID: Final = "c3VtZmxvdy10cmlhbC0wMA"
"""Of the trial cluster: 16 bytes in URL-safe base64, as Kafka wants it."""


def path(cache: Path, machine: jvm.Jvm, cluster: KafkaCluster) -> Path:
    """Return where the archive for this Java, these jars and this way of coordination is, or will be."""
    parts = [str(machine.java.executable), machine.java.version, str(bool(cluster.zookeeper_nodes))]
    key = hashlib.sha256("\n".join([*parts, *map(str, machine.jars), *jvm.FLAGS]).encode()).hexdigest()[:16]
    return cache / "classes" / f"kafka-{cluster.version}-{key}.jsa"


def ensure(cache: Path, machine: jvm.Jvm, cluster: KafkaCluster) -> jvm.Jvm:
    """Return the machine with its archive, making it if there is none; raise SumflowError if that fails."""
    target = path(cache, machine, cluster)
    if not target.exists():
        with one_at_a_time(target.parent):
            if not target.exists():
                _make(target, machine, cluster)
    return replace(machine, archive=target)


def _make(target: Path, machine: jvm.Jvm, cluster: KafkaCluster) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="trial-") as directory:
        lists = _run_trial(Path(directory), machine, cluster)
        _dump(machine, lists, target, Path(directory))


def _run_trial(directory: Path, machine: jvm.Jvm, cluster: KafkaCluster) -> list[Path]:
    """Run the smallest cluster of this kind until it serves; return the lists of the classes that it loaded."""
    one = replace(cluster, brokers=1, controllers=0, config={"offsets.topic.replication.factor": "1"})
    base = preflight.free_block(4)
    ports = range(base, base + 4)
    keeper = (kafka.ZooKeeper(1, directory / "zookeeper", *ports[:3]),) if cluster.zookeeper_nodes else ()
    node = kafka.Node(0, directory / "kafka", ports[3], None if keeper else ports[0])
    layout = kafka.Layout(one, _CLUSTER_ID, (node,), keeper)
    broker = _write(directory / "broker", kafka.node_properties(layout, node))
    if not keeper:
        jvm.format_node(machine, layout.cluster_id, broker, node.data)
        with _running(directory, machine, jvm.KAFKA, broker, KafkaAnswers(ports[3])) as listed:
            return [listed]
    quorum = _write(directory / "quorum", kafka.zookeeper_properties(layout, keeper[0]))
    with (
        _running(directory, machine, jvm.ZOOKEEPER, quorum, ZooKeeperServes(ports[0])) as first,
        _running(directory, machine, jvm.KAFKA, broker, KafkaAnswers(ports[3])) as second,
    ):
        return [first, second]


@contextmanager
def _running(directory: Path, machine: jvm.Jvm, main: str, properties: Path, check: Check) -> Iterator[Path]:
    """Run one process that writes down its classes; it has ended when the context has."""
    listed = directory / f"{properties.name}.classes"
    command = machine.command(main, str(properties), heap="128m", flags=(f"-XX:DumpLoadedClassList={listed}",))
    running = process.start(process.Command(command, directory / f"{properties.name}.log"))
    try:
        trial = steps.Step("class archive", lambda: None, lambda: _ready(check, running), _TRIAL_LIMIT_S)
        steps.run([trial], steps.Silent())
        yield listed
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _ready(check: Check, running: subprocess.Popen[bytes]) -> steps.Readiness:
    if running.poll() is not None:
        raise SumflowError("the trial run of Kafka ended at once")
    problem = problem_of(check, 2.0)
    return steps.NotYet(problem) if problem else steps.Ready()


def _dump(machine: jvm.Jvm, lists: list[Path], target: Path, directory: Path) -> None:
    """Let Java write the archive of the listed classes, and put it in place as a whole."""
    merged = directory / "classes"
    merged.write_text("".join(listed.read_text(encoding="utf-8") for listed in lists), encoding="utf-8")
    draft = directory / target.name
    flags = ("-Xshare:dump", f"-XX:SharedClassListFile={merged}", f"-XX:SharedArchiveFile={draft}")
    command = machine.command(jvm.KAFKA, heap="512m", flags=flags)
    done = process.run(command, 120, cwd=directory)
    if done.returncode or not draft.exists():
        raise SumflowError("Java wrote no class archive", why=(done.stderr + done.stdout)[-1000:].strip())
    draft.chmod(0o644)
    shutil.move(draft, target)


def _write(path: Path, properties: dict[str, str]) -> Path:
    path.write_text(kafka.properties_text(properties), encoding="utf-8")
    return path
