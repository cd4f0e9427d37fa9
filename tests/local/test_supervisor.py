"""The supervisor and its neighbours on real processes: small Python programs in the place of servers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from sumflow.errors import SumflowError
from sumflow.local import detached, orphans, process
from sumflow.local.checks import (
    Check,
    CommandOk,
    HttpOk,
    KafkaAnswers,
    PortOpen,
    ZooKeeperAlive,
    ZooKeeperServes,
    problem_of,
)
from sumflow.local.datadir import DataDir
from sumflow.local.lifecycle import Phase, Rules
from sumflow.local.plan import Component
from sumflow.local.supervisor import Supervisor, exit_in_words
from tests.ports import free_port

SERVE = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]))"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVE}"


def component(directory: Path, name: str, program: str = SERVE, stage: str = "services") -> Component:
    """Return a component that is a small program, ready when it serves HTTP."""
    port = free_port()
    env = {process.MARKER: str(directory), process.COMPONENT: name}
    command = process.Command((sys.executable, "-c", program, str(port)), directory / f"{name}.log", env)
    rules = Rules(ready_period_s=0.2, live_period_s=0.2, stop_grace_s=0.5)
    return Component(name, "a program", stage, command, HttpOk(port, "/"), HttpOk(port, "/"), rules, ())


class Running:
    """A supervisor under test, with the wish to wait for something."""

    def __init__(self, *components: Component) -> None:
        self.pids: dict[str, int] = {}
        self.supervisor = Supervisor(components, self._remember)

    def _remember(self, _lives: object, identities: Mapping[str, process.Identity]) -> None:
        self.pids = {name: identity.pid for name, identity in identities.items()}

    def await_that(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        for _ in range(600):
            if condition():
                return
            self.supervisor.wait_for_change(0.05)
        raise AssertionError(f"it never came to that: {self.supervisor.lives}")

    def is_another(self, name: str, before: int) -> bool:
        """Tell whether another process runs than before."""
        return self.pids.get(name, before) != before

    def is_ready(self, name: str) -> bool:
        """Tell whether a component is ready."""
        return self.supervisor.lives[name].phase is Phase.READY


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    """Make supervisors that are closed, and whose processes are gone, afterwards."""
    made: list[Running] = []

    def make(*components: Component) -> Running:
        made.append(Running(*components))
        return made[-1]

    yield make
    for one in made:
        one.supervisor.stop(one.supervisor.lives, 10)
        one.supervisor.close()


def test_started_ready_stopped(run: Callable[..., Running], tmp_path: Path) -> None:
    """A component is started, becomes ready, and is gone when the stop returns."""
    running = run(component(tmp_path, "one"))
    running.supervisor.start(["one"])
    running.await_that(lambda: running.is_ready("one"))
    pid = running.pids["one"]
    running.supervisor.stop(["one"], 10)
    assert running.supervisor.lives["one"].phase is Phase.STOPPED
    assert not psutil.pid_exists(pid)


def test_a_killed_process_comes_back(run: Callable[..., Running], tmp_path: Path) -> None:
    """kill -9 leads to a new process that becomes ready; the restart is counted and its reason kept."""
    running = run(component(tmp_path, "one"))
    running.supervisor.start(["one"])
    running.await_that(lambda: running.is_ready("one"))
    before = running.pids["one"]
    os.kill(before, signal.SIGKILL)
    running.await_that(lambda: running.supervisor.lives["one"].restarts == 1 and running.is_ready("one"))
    assert running.pids["one"] != before
    assert running.supervisor.lives["one"].last_exit == "was ended by SIGKILL"


def test_a_process_that_hangs_is_replaced(run: Callable[..., Running], tmp_path: Path) -> None:
    """A process that lives but answers nothing is found by its liveness check, killed and started again."""
    hanging = component(tmp_path, "one")
    running = run(hanging)
    running.supervisor.start(["one"])
    running.await_that(lambda: running.is_ready("one"))
    os.kill(running.pids["one"], signal.SIGSTOP)
    running.await_that(lambda: running.supervisor.lives["one"].restarts == 1 and running.is_ready("one"))


def test_a_program_that_is_not_there_is_reported(run: Callable[..., Running], tmp_path: Path) -> None:
    """What cannot be started is said in words, and tried again like a crash."""
    missing = component(tmp_path, "one")
    broken = Component("one", "", "services", process.Command(("/no/such/program",), tmp_path / "x.log"),
                       missing.readiness, None, missing.rules, ())  # fmt: skip
    running = run(broken)
    running.supervisor.start(["one"])
    running.await_that(lambda: running.supervisor.lives["one"].crashes >= 2)
    assert "could not be started" in running.supervisor.lives["one"].last_exit


def test_what_an_earlier_life_left_is_mended_before_each_start(run: Callable[..., Running], tmp_path: Path) -> None:
    """It is called before every start, after a crash as well; where it fails, the start counts as failed."""
    told: list[str] = []

    def mend() -> str:
        told.append("")
        if len(told) == 3:
            raise OSError("no space left")
        return "put aside"

    running = run(replace(component(tmp_path, "one"), before_start=mend))
    running.supervisor.start(["one"])
    for starts in (1, 2, 4):  # the third cannot be made
        running.await_that(lambda: running.is_ready("one"))
        assert len(told) == starts
        before = running.pids["one"]
        os.kill(before, signal.SIGKILL)
        running.await_that(partial(running.is_another, "one", before))


def test_a_server_that_stands_still_is_replaced_with_its_children(run: Callable[..., Running], tmp_path: Path) -> None:
    """Its children, as PostgreSQL's, stand still too and hold what the next one needs: none of them is left."""
    parent = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n{SERVE}"
    )
    running = run(component(tmp_path, "one", parent))
    running.supervisor.start(["one"])
    running.await_that(lambda: running.is_ready("one"))
    before = psutil.Process(running.pids["one"])
    (child,) = before.children()
    known = process.Identity.of(child.pid)
    child.suspend()
    before.suspend()
    running.await_that(lambda: running.supervisor.lives["one"].restarts == 1 and running.is_ready("one"))
    running.await_that(lambda: known.find() is None)


def test_what_does_not_stop_is_killed(run: Callable[..., Running], tmp_path: Path) -> None:
    """A process that ignores SIGTERM is gone when its grace is over."""
    running = run(component(tmp_path, "one", STUBBORN))
    running.supervisor.start(["one"])
    running.await_that(lambda: running.is_ready("one"))
    pid = running.pids["one"]
    running.supervisor.stop(["one"], 10)
    assert not psutil.pid_exists(pid)
    assert running.supervisor.lives["one"].last_exit == "was ended by SIGKILL"


def test_stages_stop_in_the_given_order(run: Callable[..., Running], tmp_path: Path) -> None:
    """A stage is asked to stop only when the one before it is gone."""
    members = [component(tmp_path, "db", stage="postgres"), component(tmp_path, "svc", stage="services")]
    running = run(*members)
    running.supervisor.start(["db", "svc"])
    running.await_that(lambda: running.is_ready("db") and running.is_ready("svc"))
    states: list[tuple[str, Phase]] = []
    running.supervisor.stop_all(
        ("services", "postgres"), lambda names: states.append((names, running.supervisor.lives["svc"].phase))
    )
    assert states == [("svc", Phase.READY), ("db", Phase.STOPPED)]


def test_orphans_are_found_by_record_or_mark_and_stopped(tmp_path: Path) -> None:
    """Processes without a supervisor are found by their mark alone, whole families once, and none is left."""
    home = DataDir(tmp_path)
    family = (
        f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', '''{SERVE}''', sys.argv[1]]); c.wait()"
    )
    started = [process.start(component(tmp_path, name, program).command)
               for name, program in (("adder-0", SERVE), ("kafka-0", family))]  # fmt: skip
    try:
        found = orphans.find(home, None)
        assert {(one.name, one.stage, one.process.pid) for one in found} == {
            ("adder-0", "services", started[0].pid),
            ("kafka-0", "kafka", started[1].pid),
        }
        order: list[str] = []
        reapers = [threading.Thread(target=one.wait) for one in started]
        for reaper in reapers:
            reaper.start()
        assert orphans.stop_all(home, None, order.append)
        assert order[:2] == ["adder-0", "kafka-0"]
    finally:
        for one in started:
            one.kill()
            one.wait()
    assert orphans.find(home, None) == []


def test_a_child_that_outlived_its_server_is_an_orphan(tmp_path: Path) -> None:
    """PostgreSQL's children have no mark: those whose parent is gone are known by the directory that they work in."""
    home = DataDir(tmp_path)
    home.data("adder-postgres-0").mkdir(parents=True)
    program = Path(shutil.copy(sys.executable, tmp_path / "postgres"))
    sleep = (str(program), "-c", "input()")
    with subprocess.Popen(sleep, stdin=subprocess.PIPE, cwd=home.data("adder-postgres-0")) as child:
        try:
            (found,) = orphans.find(home, None)
            assert (found.stage, found.process.pid) == ("postgres", child.pid)
            assert orphans.find(DataDir(tmp_path / "another"), None) == []
        finally:
            child.kill()


def test_another_systems_processes_are_left_alone(tmp_path: Path) -> None:
    """A mark of another directory, or none, does not make an orphan."""
    other = process.start(component(tmp_path / "..", "adder-0").command)
    try:
        assert orphans.find(DataDir(tmp_path), None) == []
    finally:
        other.kill()
        other.wait()


def test_a_log_that_grew_too_large_is_moved_aside(tmp_path: Path) -> None:
    """Beyond its limit a log keeps its end in one predecessor; a program that appends goes on with an empty file."""
    log = tmp_path / "x.log"
    with log.open("ab") as appending:
        appending.truncate(process.LOG_LIMIT + 10)
        appending.write(b"the end")
        appending.flush()
        process.rotate(log)
        appending.write(b"more")
    assert log.read_bytes() == b"more"
    previous = tmp_path / "x.log.1"
    assert previous.read_bytes().endswith(b"the end")
    assert previous.stat().st_size == process.LOG_LIMIT


def test_a_log_that_cannot_be_moved_aside_stays(tmp_path: Path) -> None:
    """A full disk, or whatever else keeps a log from being moved, ends neither the supervisor nor the log."""
    log = tmp_path / "x.log"
    with log.open("ab") as appending:
        appending.truncate(process.LOG_LIMIT + 10)
    (tmp_path / "x.log.1").mkdir()
    process.rotate(log)
    assert log.stat().st_size == process.LOG_LIMIT + 10


def test_a_program_that_hangs_is_an_error_with_a_remedy() -> None:
    """What is run to its end has a time limit, and what is late is told as ours, not as a bug."""
    with pytest.raises(SumflowError, match="did not end within") as raised:
        process.run((sys.executable, "-c", "import signal; signal.pause()"), 0.2)
    assert raised.value.remedy


def test_the_way_a_process_ended_is_told_in_words() -> None:
    """Exit codes and signals are told apart; an unknown signal does not matter."""
    assert exit_in_words(3) == "ended with exit code 3"
    assert exit_in_words(-9) == "was ended by SIGKILL"
    assert exit_in_words(-77) == "was ended by signal 77"


def test_checks_say_what_is_wrong(tmp_path: Path) -> None:
    """Each kind of check answers in words, and never raises."""
    port = free_port()
    assert problem_of(PortOpen(port), 1) == "it does not listen yet"
    assert problem_of(HttpOk(port, "/readyz"), 1) == "it does not listen yet"
    assert problem_of(CommandOk((sys.executable, "-c", "import sys; sys.exit('no quorum')")), 10) == "no quorum"
    assert problem_of(CommandOk((sys.executable, "-c", "")), 10) is None
    assert "FileNotFoundError" in str(problem_of(CommandOk((str(tmp_path / "x"),)), 1))
    assert "did not end" in str(problem_of(CommandOk((sys.executable, "-c", "import signal; signal.pause()")), 0.2))


@pytest.mark.parametrize("check", [KafkaAnswers, ZooKeeperServes, lambda port: ZooKeeperAlive(port, "")])
def test_a_server_that_hangs_does_not_pass(check: Callable[[int], Check]) -> None:
    """For a stopped process the kernel still opens connections; only an answer is a sign of life."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer" in str(problem_of(check(silent.getsockname()[1]), 0.2))


def test_zookeeper_without_a_quorum_is_alive_and_does_not_serve(tmp_path: Path) -> None:
    """A node is not restarted because its peers are away: `ruok` is answered all the same, `srvr` without a mode."""
    with answering(b"imok") as port:
        assert problem_of(ZooKeeperAlive(port, str(tmp_path)), 5) is None
    with answering(b"This ZooKeeper instance is not currently serving requests\n") as port:
        assert problem_of(ZooKeeperServes(port), 5) == "it has found no quorum yet"
    with answering(b"Zookeeper version: 3.8.3\nMode: follower\n") as port:
        assert problem_of(ZooKeeperServes(port), 5) is None


def test_only_kafkas_own_answer_passes_as_kafka() -> None:
    """Another program on the port, an error and a cut answer do not."""
    for said, passes in ((b"\0\0\0\x0a\0\0\0\1\0\0", True), (b"\0\0\0\x0a\0\0\0\1\0\x23", False),
                         (b"HTTP/1.1 400 Bad Request\r\n\r\n", False), (b"\0\0", False)):  # fmt: skip
        with answering(said) as port:
            assert (problem_of(KafkaAnswers(port), 5) is None) is passes


@contextmanager
def answering(said: bytes) -> Iterator[int]:
    """A server that answers one question, whatever it is."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


class Heard:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def started(self, step: str) -> None:
        """Remember."""
        self.said.append(f"started {step}")

    def waiting(self, step: str, reason: str, elapsed_s: float) -> None:
        """Remember."""
        self.said.append(f"waiting {step}: {reason} {elapsed_s}")

    def done(self, step: str, evidence: str, elapsed_s: float) -> None:
        """Remember."""
        self.said.append(f"done {step}: {evidence} {elapsed_s}")


def spoken(*messages: detached.Message) -> int:
    """Let a supervisor's end of the pipe say something and close; return the other end."""
    reading, writing = os.pipe()
    reporter = detached.PipeReporter(writing)
    for message in messages:
        reporter.send(message)
    reporter.close()
    return reading


def test_a_detached_supervisors_progress_is_passed_on(tmp_path: Path) -> None:
    """What it reports arrives in order, and `up` ends the following."""
    messages = (detached.Started("Kafka"), detached.Waiting("Kafka", "not yet", 1.0), detached.Done("Kafka", "ok", 2.0))
    heard = Heard()
    with os.fdopen(spoken(*messages, detached.Up()), "rb") as pipe:
        detached.follow(pipe, heard, DataDir(tmp_path))
    assert heard.said == ["started Kafka", "waiting Kafka: not yet 1.0", "done Kafka: ok 2.0"]


def test_a_detached_supervisors_failure_is_raised(tmp_path: Path) -> None:
    """Its error arrives with what, why, remedy and exit code."""
    with (
        os.fdopen(spoken(detached.Failed("port 1 is taken", "w", "r", 2)), "rb") as pipe,
        pytest.raises(SumflowError) as raised,
    ):
        detached.follow(pipe, Heard(), DataDir(tmp_path))
    error = raised.value
    assert (error.what, error.why, error.remedy, error.exit_code) == ("port 1 is taken", "w", "r", 2)


def test_a_detached_supervisors_death_is_noticed(tmp_path: Path) -> None:
    """A pipe that ends before `up` was said is an error that shows the output's last lines."""
    home = DataDir(tmp_path)
    (tmp_path / "logs").mkdir()
    home.log("supervisor.output").write_text("Killed\n")
    with os.fdopen(spoken(detached.Started("Kafka")), "rb") as pipe, pytest.raises(SumflowError) as raised:
        detached.follow(pipe, Heard(), home)
    assert raised.value.why == "Killed"
