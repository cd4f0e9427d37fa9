"""Connections that are spoken to by hand: bytes, HTTP/2 frames, gRPC messages, right ones and wrong ones."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self

from hpack import Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from sumflow.settings import Address

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SINGLE: Final = "/sum.SumNumbersService/SumNumbers"
BATCHES: Final = "/sum.SumNumbersService/SumBatches"
CHUNK_BYTES: Final = 16_384
"""HTTP/2's default limit of a frame (RFC 9113, 4.2)."""
FRAME_HEADER_BYTES: Final = 9


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
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def arrived(self) -> bytes:
        """Return what has come, without waiting for more."""
        received = bytearray()
        while select.select([self._socket], [], [], 0)[0] and (data := self._socket.recv(65536)):
            received += data
        return bytes(received)

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


class Pourer:
    """Calls of one connection whose messages come as far as the server lets them, as HTTP/2's flow control says.

    Args:
        address: where to connect.
        path: the method.
        body: what each call sends.
        calls: how many there are.
    """

    def __init__(self, address: Address, path: str, body: bytes, calls: int) -> None:
        self._raw = Raw(address, 5.0).hello()
        self._received = bytearray()
        self._window = self._first_window = 65_535
        self._windows = dict.fromkeys(range(1, 2 * calls, 2), self._first_window)
        self._left = {stream: memoryview(body) for stream in self._windows}
        self._raw.frames(headers(stream, path) for stream in self._windows)

    def close(self) -> None:
        """End the connection."""
        self._raw.close()

    def pour(self) -> int:
        """Send what may be sent now; return how many bytes that was."""
        self._received += self._raw.arrived()
        for frame in _whole_frames(self._received):
            self._heed(frame)
        return sum(self._give(stream) for stream in list(self._left))

    def _heed(self, frame: Frame) -> None:
        if isinstance(frame, WindowUpdateFrame):
            self._window += 0 if frame.stream_id else frame.window_increment
            if frame.stream_id in self._windows:
                self._windows[frame.stream_id] += frame.window_increment
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            first = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, self._first_window)
            self._windows = {stream: window + first - self._first_window for stream, window in self._windows.items()}
            self._first_window = first
            self._raw.frames([SettingsFrame(0, flags=["ACK"])])
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self._raw.frames([PingFrame(0, frame.opaque_data, flags=["ACK"])])
        elif isinstance(frame, RstStreamFrame) or "END_STREAM" in frame.flags:
            self._left.pop(frame.stream_id, None)

    def _give(self, stream: int) -> int:
        part = self._left[stream][: max(0, min(CHUNK_BYTES, self._window, self._windows[stream]))]
        if not part or not self._raw.frames([DataFrame(stream, bytes(part))]):
            return 0
        self._left[stream] = self._left[stream][len(part) :]
        self._window -= len(part)
        self._windows[stream] -= len(part)
        return len(part)


def _whole_frames(received: bytearray) -> Iterator[Frame]:
    """Take the frames that are complete from what was received."""
    while len(received) >= FRAME_HEADER_BYTES:
        frame, length = Frame.parse_frame_header(memoryview(bytes(received[:FRAME_HEADER_BYTES])))
        if len(received) < FRAME_HEADER_BYTES + length:
            return
        frame.parse_body(memoryview(bytes(received[FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + length])))
        del received[: FRAME_HEADER_BYTES + length]
        yield frame
