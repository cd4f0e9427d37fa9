"""Serves the REST interface from a thread with an event loop of its own, on a socket that replicas may share."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as LateError
from functools import partial
from typing import Final, cast

import uvicorn

from sumflow import descriptors
from sumflow.errors import SumflowError
from sumflow.settings import Address
from sumflow.totalizer.api import STREAMS_LIMIT, WAITERS_LIMIT, Api
from sumflow.totalizer.connections import BoundedProtocol, Waiting
from sumflow.totalizer.reading import READ_LIMIT_S, DatabaseAwayError

STOP_S: Final = 3
"""What requests under way are given at a stop."""
BACKLOG: Final = 1024
CONNECTIONS_LIMIT: Final = WAITERS_LIMIT + STREAMS_LIMIT + 800
"""Those that may wait for an answer, and as many others: there is always one without a request that can make room."""
HEAD_LIMIT_BYTES: Final = 16 * 1024
KEEP_ALIVE_S: Final = 8
"""Longer than clients keep a quiet connection (httpx: 5 s): else one may send as we close."""


class RestServer:
    """The server's thread.

    Args:
        listen: where to listen.
        api: what to serve.
        on_end: called when serving ends, however that comes.

    Raises:
        SumflowError: the port is taken by another program.
    """

    def __init__(self, listen: Address, api: Api, on_end: Callable[[], None]) -> None:
        self._api = api
        self._on_end = on_end
        self._socket = bind(listen)
        waiting = Waiting(descriptors.allow(CONNECTIONS_LIMIT))
        config = uvicorn.Config(
            api.app(),
            http=cast("type[BoundedProtocol]", partial(BoundedProtocol, waiting)),
            ws="none",
            h11_max_incomplete_event_size=HEAD_LIMIT_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            backlog=BACKLOG,
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="rest", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """End waits and streams, finish what is under way, stop."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._api.close)
            self._server.should_exit = True
            self._thread.join(STOP_S + READ_LIMIT_S)

    def problem(self) -> str | None:
        """Return why the total cannot be read, or None; asked from the health port's thread."""
        if self._api.totals is None or not self._thread.is_alive():
            return "the REST interface does not serve"
        try:
            asyncio.run_coroutine_threadsafe(self._api.totals.read(), self._loop).result(READ_LIMIT_S * 2)
        except (DatabaseAwayError, LateError) as error:
            return f"the database is away: {error}"
        return None

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        finally:
            self._loop.close()
            self._on_end()


def bind(listen: Address) -> socket.socket:
    """Return a bound socket; replicas of one user on one machine share the port (SO_REUSEPORT)."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off for its connections; else each answer may wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((listen.host, listen.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SumflowError(
            f"the totalizer cannot listen on {listen}",
            why=str(error),
            remedy=f"see what has the port with `ss -ltnp 'sport = :{listen.port}'`, or set HTTP_LISTEN to another",
        ) from error
    return listening
