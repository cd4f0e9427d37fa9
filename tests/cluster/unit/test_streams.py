"""A command in a pod that goes on counts as begun when it has said so, and only then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from sumflow.cluster import streams
from sumflow.cluster.client import Cluster
from sumflow.cluster.streams import Pod
from sumflow.errors import SumflowError

POD = Pod("sumflow", "adder-0", "adder")


@dataclass
class Channel:
    """A connection to a command that says something and goes on, or complains and ends."""

    line: str = ""
    complaint: str = ""
    closed: bool = False

    def readline_stdout(self, timeout: float) -> str:
        """Return what it says, nothing if it does not in time."""
        assert timeout > 0
        return self.line

    def read_stdout(self) -> str:
        """Nothing else was said."""
        return ""

    def read_stderr(self) -> str:
        """Return what it complains of."""
        return self.complaint

    def close(self) -> None:
        """End its input."""
        self.closed = True


def _started(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_begun", lambda *args, **kwargs: channel)
    end = streams.started(cast("Cluster", None), POD, ["python3"], says="done")
    assert not channel.closed
    end()


def test_it_goes_on_until_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its input stays open until what is returned is called."""
    channel = Channel(line="done")
    _started(channel, monkeypatch)
    assert channel.closed


@pytest.mark.parametrize(
    ("channel", "why"),
    [
        (Channel(complaint="this node does not let a process be traced"), "this node does not let"),
        (Channel(line="something else"), "something else"),
        (Channel(), "it said nothing"),
    ],
)
def test_whatever_else_it_says_is_why_it_was_not_done(
    channel: Channel, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal, another line and silence are failures, and nothing of it goes on."""
    with pytest.raises(SumflowError) as failure:
        _started(channel, monkeypatch)
    assert why in failure.value.why
    assert channel.closed
