"""Progress, status and steps: plain where there is no terminal, and never a control character there."""

from __future__ import annotations

import pytest

from sumflow.cli import progress, staging, status
from sumflow.cli.output import Output
from sumflow.client.journal import Progress
from sumflow.local.status import ComponentStatus, SupervisorStatus, SystemStatus


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_plain_progress_is_a_line_now_and_then_with_rate_and_share() -> None:
    """Not every batch is a line; a reason to wait is told once until something moves again."""
    clock, lines = Clock(), list[str]()
    plain = progress.Plain(lines.append, Progress(import_id="a"), 1000, clock)
    for second in range(5):
        clock.now = float(second)
        lines_done = second * 1000
        plain.moved(Progress(import_id="a", next_line=1 + lines_done, offset=second * 200, accepted=lines_done))
    plain.waiting("the adder: no answer")
    plain.waiting("the adder: no answer")
    assert lines == [
        "[    2.0 s] 40 %  2,000 accepted  1,000/s lines",
        "[    4.0 s] 80 %  4,000 accepted  1,000/s lines",
        "[    4.0 s] waiting for the adder: no answer",
    ]


def test_a_resumed_import_shows_its_own_rate() -> None:
    """Lines of an earlier run are not this run's speed."""
    first = Progress(import_id="a", next_line=1_000_001, accepted=1_000_000)
    now = Progress(import_id="a", next_line=1_002_001, accepted=1_001_999, rejected=1)
    assert progress.text(now, first, 2.0, None) == "1,001,999 accepted, 1 rejected  1,000/s lines"


def test_steps_are_plain_lines_with_elapsed_times(capsys: pytest.CaptureFixture[str]) -> None:
    """A finished step is a line; a long one says every few seconds why it waits; what does not apply is told apart."""
    reporter = staging.Plain(Output())
    reporter.started("Kafka 4.3.1")
    for elapsed_s in (1.0, 5.0, 6.0, 11.0):
        reporter.waiting("Kafka 4.3.1", f"{elapsed_s:.0f} of 3 brokers", elapsed_s)
    reporter.done("Kafka 4.3.1", "3 brokers", 12.34)
    reporter.done("namespaces", "not applicable on one machine", 0.0)
    assert capsys.readouterr().out == (
        "     Kafka 4.3.1: 5 of 3 brokers (5.00 s)\n"
        "     Kafka 4.3.1: 11 of 3 brokers (11.0 s)\n"
        "ok   Kafka 4.3.1        12.3 s  3 brokers\n"
        "n/a  namespaces         0.00 s  not applicable on one machine\n"
    )


def test_json_keeps_steps_silent(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but the document is written under --json."""
    with staging.reporter(Output(as_json=True)) as reporter:
        reporter.started("Kafka")
        reporter.waiting("Kafka", "soon", 100.0)
        reporter.done("Kafka", "there", 101.0)
    assert capsys.readouterr() == ("", "")


def _component(name: str, **changes: object) -> ComponentStatus:
    given: dict[str, object] = {
        "name": name,
        "what": "SumFlow adder",
        "state": "ready",
        "healthy": True,
        "addresses": ("127.0.0.1:50051",),
        "pid": 4711,
        "uptime_s": 75.0,
        "memory_bytes": 48 << 20,
        "restarts": 0,
        "problem": "",
        "last_exit": "",
        "log": f"logs/{name}.log",
    }
    return ComponentStatus(**{**given, **changes})  # type: ignore[arg-type]


def test_status_is_a_table_with_problems_below_it() -> None:
    """Columns are aligned; what is not healthy is explained with its last exit and its log."""
    gone = _component(
        "relay-0",
        what="SumFlow relay",
        state="restarting",
        healthy=False,
        addresses=(),
        pid=None,
        uptime_s=None,
        memory_bytes=0,
        restarts=3,
        problem="the next start is in 0.8 s",
        last_exit="was ended by SIGKILL",
    )
    supervisor = SupervisorStatus(pid=99, uptime_s=80.0, memory_bytes=1 << 20)
    seen = SystemStatus(
        profile="dev",
        phase="up",
        healthy=False,
        data_dir="data",
        supervisor=supervisor,
        memory_bytes=49 << 20,
        components=(_component("adder-0"), gone),
    )
    assert list(status.lines(seen, Output())) == [
        "     COMPONENT  WHAT           STATE       ADDRESS           PID      UPTIME    MEMORY  RESTARTS",
        "ok   adder-0    SumFlow adder  ready       127.0.0.1:50051  4711  1 min 15 s  48.0 MiB         0",
        "FAIL relay-0    SumFlow relay  restarting                      -           -         -         3",
        "     relay-0: the next start is in 0.8 s; it last was ended by SIGKILL; log logs/relay-0.log",
        "\nprofile dev, up: 1 of 2 healthy, 49.0 MiB in all, supervisor 99, data in data",
    ]
