"""A TCP wire to a server whose connections can be lost as a node that lost power loses them: silence, and no end."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from sumflow.settings import Address


class Wire:
    """Forwards connections to `target`."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._listening.getsockname())
        self._age = 0
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for end in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def lose_connections(self) -> None:
        """From now on, what the connections of before carry goes nowhere; new ones work."""
        self._age += 1

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection((self._target.host, self._target.port))
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(*ends, self._age), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, age: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if age == self._age:
                    sink.sendall(data)
