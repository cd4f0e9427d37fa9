"""A wire to a Kafka broker that damages what it carries, as bad memory, a bad disk or a bad network does."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

CLIENT_HOST = "127.0.0.1"


class DamagingWire:
    """Forwards to one broker, and turns some bytes into others in a number of its answers.

    Args:
        bootstrap: the broker's `host:port`, as it advertises itself.
        damage: what is turned into what, of the same length.
        times: how many answers are damaged.
    """

    def __init__(self, bootstrap: str, damage: tuple[bytes, bytes], times: int) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._broker = (host, int(port))
        self._damage = damage
        self.left = times
        self._listening = socket.create_server((CLIENT_HOST, 0))
        own_port = self._listening.getsockname()[1]
        self.address = f"{CLIENT_HOST}:{own_port}"
        # The client goes where the broker's metadata send it: a string of the host and the port as 32 bits.
        self._route = (host.encode() + struct.pack(">i", int(port)), host.encode() + struct.pack(">i", own_port))

    @contextlib.contextmanager
    def running(self) -> Iterator[DamagingWire]:
        """Carry connections for the block."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                broker = socket.create_connection(self._broker)
                for work in (self._ask, self._answer):
                    threading.Thread(target=work, args=(client, broker), daemon=True).start()

    def _ask(self, client: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError), broker:
            while data := client.recv(65536):
                broker.sendall(data)

    def _answer(self, client: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError), client, broker.makefile("rb") as answers:
            while size := answers.read(4):
                answer = answers.read(struct.unpack(">i", size)[0]).replace(*self._route)
                if self.left and self._damage[0] in answer:
                    self.left -= 1
                    answer = answer.replace(*self._damage)
                client.sendall(size + answer)
