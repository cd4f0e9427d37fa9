"""Bounds on the REST port's connections: how many there are, and how long one may keep us waiting for a request.

uvicorn limits neither. Both kinds of client hold a connection here: one that sends a request slower than anybody types,
and one of a thousand that only connect. Where all places are taken, whoever has kept us waiting for the longest makes
room, so that a client with a request is served however many others have none.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_WITHIN_S: Final = 10.0
"""From a connection, or from the answer before, to the whole head of a request."""
LINGER_S: Final = 5.0
"""What is sent already may reach a slow reader for so long; then its connection is cut."""


class Waiting:
    """The connections without a request, the longest waiting first.

    Args:
        limit: how many connections there may be, with a request and without.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.connections: dict[BoundedProtocol, None] = {}

    def make_room(self, total: int) -> None:
        """Cut the connection that waits longest, if there are more than the limit in total."""
        if total > self.limit and self.connections:
            next(iter(self.connections)).cut()


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection, which is ended when a request does not come in time.

    Args:
        waiting: the connections of the port that are without a request.
        uvicorn: what uvicorn gives to each of its connections.
    """

    def __init__(self, waiting: Waiting, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._waiting = waiting
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait; make room if this is one too many."""
        super().connection_made(transport)
        self._await_request()
        self._waiting.make_room(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request may be whole with them."""
        super().data_received(data)
        self._see_what_there_is()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is there already."""
        super().on_response_complete()
        self._see_what_there_is()

    def cut(self) -> None:
        """End the connection without a word."""
        self._stop_waiting()
        self.transport.abort()

    def _see_what_there_is(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._deadline is None and not self.transport.is_closing():
            self._await_request()

    def _await_request(self) -> None:
        self._waiting.connections[self] = None
        self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self._end)

    def _stop_waiting(self) -> None:
        self._waiting.connections.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._stop_waiting()
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)
