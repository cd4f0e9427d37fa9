"""The HTTP server of the health port: a thread for each connection, bounded in number, time and size.

Probes and scrapers are served however many others connect and say nothing: whoever is there longest makes room.
"""

from __future__ import annotations

import contextlib
import sys
import time
from io import BufferedIOBase
from socket import SHUT_RDWR, socket
from typing import Any, BinaryIO, Final, cast

import structlog
from prometheus_client.exposition import ThreadingWSGIServer, _SilentHandler

CONNECTIONS_LIMIT: Final = 32
ANSWER_WITHIN_S: Final = 10.0
HEAD_LIMIT_BYTES: Final = 16 * 1024

_log = structlog.get_logger()


class _Head:
    """Reads a request's head line by line, up to its limit; beyond it, as at the end of a connection, nothing comes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = HEAD_LIMIT_BYTES

    def readline(self, size: int) -> bytes:
        line = self._file.readline(min(size, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._file.close()


class BoundedHandler(_SilentHandler):
    """Reads one request, whose head is bounded; bodies are not read."""

    def setup(self) -> None:
        """Put the bound in front of what is read."""
        super().setup()
        self.rfile = cast("BufferedIOBase", _Head(cast("BinaryIO", self.rfile)))


class BoundedServer(ThreadingWSGIServer):
    """Answers each connection in a thread, of which there is a bounded number for a bounded time."""

    request_queue_size = CONNECTIONS_LIMIT

    def server_activate(self) -> None:
        """Begin to listen."""
        self._began: dict[socket, float] = {}
        super().server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        if len(self._began) >= CONNECTIONS_LIMIT:
            self._cut(next(iter(list(self._began))))
        self._began[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection, at the end of its thread."""
        self._began.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut what takes too long; called twice a second."""
        late = time.monotonic() - ANSWER_WITHIN_S
        for request, began in list(self._began.items()):
            if began < late:
                self._cut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; what fails on our side is for the log."""
        if not isinstance(error := sys.exception(), OSError):
            _log.error("the health port failed to answer", exc_info=error)

    def _cut(self, request: socket) -> None:
        self._began.pop(request, None)
        with contextlib.suppress(OSError):
            request.shutdown(SHUT_RDWR)
