"""Connections that are spoken to by hand: bytes, HTTP/2 frames, gRPC messages, right ones and wrong ones."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from hpack import Encoder
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame

from sumflow.settings import Address

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SINGLE: Final = "/sum.SumNumbersService/SumNumbers"
BATCHES: Final = "/sum.SumNumbersService/SumBatches"
CHUNK_BYTES: Final = 16_384
"""HTTP/2's default limit of a frame (RFC 9113, 4.2)."""


class Raw:
    """One TCP connection; what the server closes is no error, whoever floods expects it.

    Args:
        address: where to connect.
        timeout_s: how long the server may leave bytes unread or say nothing.
    """

    def __init__(self, address: Address, timeout_s: float = 1.0) -> None:
        self._socket = socket.create_connection((address.host, address.port), 20)
        self._socket.settimeout(timeout_s)
        self.is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, data: bytes) -> bool:
        """Send all, unless the server closes or does not read; return whether it was all taken."""
        try:
            self._socket.sendall(data)
        except OSError:
            self.is_open = False
        return self.is_open

    def frames(self, frames: Iterable[Frame]) -> bool:
        """Send HTTP/2 frames."""
        return self.send(b"".join(frame.serialize() for frame in frames))

    def hello(self, **settings: int) -> Self:
        """Begin an HTTP/2 connection."""
        known = {getattr(SettingsFrame, name): value for name, value in settings.items()}
        self.send(PREFACE)
        self.frames([SettingsFrame(settings=known)])
        return self

    def read(self, within_s: float = 1.0) -> bytes:
        """Return what comes until the server closes or falls silent."""
        received = bytearray()
        self._socket.settimeout(within_s)
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                received += data
                if len(received) > 1 << 24:
                    return bytes(received)
            self.is_open = False
        return bytes(received)

    def first(self, within_s: float = 60.0) -> bytes:
        """Wait for the first bytes."""
        self._socket.settimeout(within_s)
        return self._socket.recv(65536)

    def is_closed_within(self, within_s: float) -> bool:
        """Read on until the server closes; tell whether it did in time."""
        self._socket.settimeout(within_s)
        try:
            while self._socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


def headers(stream_id: int, path: str, *more: tuple[str, str], flags: Iterable[str] = ("END_HEADERS",)) -> HeadersFrame:
    """Return a gRPC call's headers; without dynamic compression, so that any frame can be left out."""
    block = Encoder().encode(
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "adder"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *more,
        ],
        huffman=False,
    )
    return HeadersFrame(stream_id, block, flags=list(flags))


def message(body: bytes, *, is_compressed: bool = False, length: int | None = None) -> bytes:
    """Return a gRPC message with its prefix (gRPC over HTTP/2: Length-Prefixed-Message)."""
    return struct.pack(">BI", is_compressed, len(body) if length is None else length) + body


def data(stream_id: int, body: bytes) -> Iterable[DataFrame]:
    """Cut a body into frames."""
    for at in range(0, len(body), CHUNK_BYTES):
        yield DataFrame(stream_id, body[at : at + CHUNK_BYTES])
