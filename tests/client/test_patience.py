"""How long a client waits before it comes back: what the server asks for, and never in step with others."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from sumflow.client.patience import LONGEST_S, TOLD_AT_MOST_S, pause_s, told_s


def failed(trailing: Any, code: grpc.StatusCode = grpc.StatusCode.RESOURCE_EXHAUSTED) -> Any:
    """Return a call that ended with a status and trailing metadata."""
    call = Mock(spec=grpc.Call)
    call.code.return_value, call.details.return_value, call.trailing_metadata.return_value = code, "full", trailing
    return call


def refusal(delay_ms: int) -> Any:
    """Return a refusal that asks for a pause."""
    delay = Duration()
    delay.FromMilliseconds(delay_ms)
    status = Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message="full")
    status.details.add().Pack(RetryInfo(retry_delay=delay))
    return failed(rpc_status.to_status(status).trailing_metadata)


def test_the_server_says_how_long() -> None:
    """A pause that is asked for is kept, a little longer so that not all come at once, also at the first failure."""
    assert told_s(refusal(3_500)) == 3.5
    assert all(3.5 <= pause_s(refusal(3_500), 1) <= 4.2 for _ in range(50))


def test_without_a_word_the_pause_doubles() -> None:
    """No RetryInfo, or another kind of failure: 0.1 s doubled up to the limit, half of it chance."""
    for error in (failed(()), failed(None), ConnectionError(), None):
        assert [told_s(error), pause_s(error, 1) <= 0.2, pause_s(error, 99) <= LONGEST_S] == [0.0, True, True]
        assert pause_s(error, 99) >= LONGEST_S / 2


def test_a_server_cannot_send_a_client_away_for_ever() -> None:
    """A pause has a limit, a negative one is none, details that cannot be read or belong to another status are void."""
    assert told_s(refusal(10**9)) == TOLD_AT_MOST_S
    assert told_s(refusal(-5_000)) == 0.0
    trailing = refusal(3_000).trailing_metadata()
    assert told_s(failed(trailing, grpc.StatusCode.UNAVAILABLE)) == 0.0
    assert told_s(failed((("grpc-status-details-bin", b"\xff\xff\xff"),))) == 0.0
