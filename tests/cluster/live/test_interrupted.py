"""Deployments that are interrupted, by their user or by the server: they go on, and end as if nothing had been."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.cluster.live.load import waited
from tests.cluster.live.system import System

IN_TIME_S = 240.0
KAFKA = "kafka.kafka.strimzi.io/sumflow-kafka created"


def test_a_restart_of_the_server_is_waited_for(fresh: System, tmp_path: Path) -> None:
    """The API server dies in the middle: the run says that it does not answer, and is through when it is back."""
    log = tmp_path / "deploy.log"
    with fresh.deploying(log) as run:
        waited(lambda: KAFKA in log.read_text(), "Kafka applied", IN_TIME_S)
        fresh.harness("apiserver.sh", "kill")
        fresh.harness("apiserver.sh", "start")
        assert run.wait(IN_TIME_S) == 0, log.read_text()
    _assert_whole(fresh)


def test_an_interrupted_run_goes_on(fresh: System, tmp_path: Path) -> None:
    """Ctrl-C in the middle ends at once with the shell's code; the same command does the rest."""
    log = tmp_path / "deploy.log"
    with fresh.deploying(log) as run:
        waited(lambda: KAFKA in log.read_text(), "Kafka applied", IN_TIME_S)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130, log.read_text()
    assert "Traceback" not in log.read_text()
    done = fresh.deploy("--json")
    assert done.code == 0, done.err
    answers = {change["object"]: change["answer"] for change in done.document["changes"]}
    assert answers["kafka.kafka.strimzi.io/sumflow-kafka"] == "unchanged"
    assert answers["deployment.apps/adder"] == "created"
    _assert_whole(fresh)


def _assert_whole(system: System) -> None:
    """Nothing is missing and nothing differs."""
    assert system.diff().code == 0
    added = system.sumflow("add", "20", "22", "--on", "kubernetes", "--json")
    assert added.document["total"] == 42, added.err
