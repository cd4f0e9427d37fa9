"""Commands in pods that go on: begun when they have said so, and heard until they end or fall silent."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

import pytest
from websocket import WebSocketConnectionClosedException

from sumflow.cluster import streams
from sumflow.cluster.client import Cluster
from sumflow.cluster.streams import Conversation, Pod
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


@dataclass
class Talker:
    """A connection to a command that says one piece after the other, and then goes on or ends."""

    pieces: list[bytes]
    ends: bool = True
    complaint: bytes = b""
    asked: bytes = b""
    kept: int = 0
    is_broken: bool = False
    closed: bool = False

    def is_open(self) -> bool:
        """Tell whether the command runs."""
        return bool(self.pieces) or not self.ends

    def read_stdout(self, timeout: float) -> bytes:
        """Return the next piece, which the library keeps a copy of."""
        piece = self.pieces.pop(0) if self.pieces else b""
        self.kept += len(piece)
        return piece

    def read_stderr(self) -> bytes:
        """Return what it complains of."""
        return self.complaint

    def read_all(self) -> bytes:
        """Let the copies go."""
        self.kept = 0
        return b""

    def write_stdin(self, data: bytes) -> None:
        """Be asked."""
        if self.is_broken:
            raise WebSocketConnectionClosedException("the socket is closed")
        self.asked += data

    def close(self) -> None:
        """End its input."""
        self.closed = True


def _talk(talker: Talker, monkeypatch: pytest.MonkeyPatch, within_s: float = 5) -> AbstractContextManager[Conversation]:
    monkeypatch.setattr(streams, "_begun", lambda *args, **kwargs: talker)
    return streams.conversation(cast("Cluster", None), POD, ["sumflow", "records"], within_s=within_s)


def test_a_conversation_keeps_nothing_of_what_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked and heard again and again, it holds one answer at most, and ends the command's input with itself."""
    talker = Talker([b"one", b"two"])
    with _talk(talker, monkeypatch) as there:
        there.say(b"a")
        assert there.hear() == b"one"
        there.say(b"b")
        assert talker.kept == 0
        assert there.hear() == b"two"
    assert talker.asked == b"ab"
    assert talker.closed


@pytest.mark.parametrize(
    ("talker", "within_s", "said"),
    [
        (Talker([], complaint=b"no such command"), 5, "ended: no such command"),
        (Talker([], ends=False), 0.01, "said nothing"),
    ],
)
def test_an_end_and_silence_are_failures(
    talker: Talker, within_s: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for an answer learns that none comes, of which command and where."""
    with _talk(talker, monkeypatch, within_s) as there, pytest.raises(SumflowError) as failure:
        there.hear()
    assert said in failure.value.in_a_line
    assert "`sumflow records` in sumflow/adder-0" in failure.value.what


def test_a_connection_that_broke_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own error does not reach a person."""
    with _talk(Talker([], is_broken=True), monkeypatch) as there, pytest.raises(SumflowError, match="was lost"):
        there.say(b"a")
