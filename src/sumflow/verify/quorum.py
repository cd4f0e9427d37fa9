"""Asks a KRaft broker for the state of the metadata quorum.

The Kafka client for Python does not offer the request, and Kafka's own command would start a JVM. It is one request
and one response of Kafka's protocol: DescribeQuorum, API key 55, version 0 (KIP-595; kafka.apache.org/protocol).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from sumflow.settings import Address
from sumflow.verify.check import CheckFailedError
from sumflow.verify.target import Quorum

_API_KEY: Final = 55
_VERSION: Final = 0
_CORRELATION: Final = 1
_TOPIC: Final = b"__cluster_metadata"
_ANSWER_AT_MOST_BYTES: Final = 1 << 20


def describe(broker: Address, timeout_s: float = 5.0) -> Quorum:
    """Ask one broker; raise OSError if it cannot be reached, CheckFailedError if it does not answer the question."""
    with socket.create_connection((broker.host, broker.port), timeout_s) as connection:
        connection.sendall(request())
        with connection.makefile("rb") as answer:
            (size,) = struct.unpack(">i", _exactly(answer.read(4), 4))
            if not 0 < size <= _ANSWER_AT_MOST_BYTES:
                raise CheckFailedError(f"{broker} does not answer as a Kafka broker")
            return parse(_exactly(answer.read(size), size))


def request() -> bytes:
    """Write the request for partition 0 of the metadata log, its length first; header version 2."""
    header = struct.pack(">hhih", _API_KEY, _VERSION, _CORRELATION, -1) + b"\0"
    # Compact arrays and strings carry their length plus one; each structure ends with its (absent) tagged fields.
    partition = struct.pack(">i", 0) + b"\0"
    topic = bytes([len(_TOPIC) + 1]) + _TOPIC + b"\x02" + partition + b"\0"
    body = b"\x02" + topic + b"\0"
    return struct.pack(">i", len(header) + len(body)) + header + body


def parse(answer: bytes) -> Quorum:
    """Read the response (header version 1); raise CheckFailedError for an error code or a cut answer."""
    fields = _Fields(answer)
    fields.take(">i")
    fields.tags()
    _require_success(fields.take(">h"))
    _require_one(fields.length())
    fields.skip(fields.length())
    _require_one(fields.length())
    fields.take(">i")
    _require_success(fields.take(">h"))
    leader, epoch, high_watermark = fields.take(">i"), fields.take(">i"), fields.take(">q")
    voters: dict[int, int] = {}
    for _ in range(fields.length()):
        node = fields.take(">i")
        voters[node] = fields.take(">q")
        fields.tags()
    return Quorum(leader, epoch, high_watermark, voters)


class _Fields:
    """Walks over the fields of a response."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, layout: str) -> int:
        """Read one big-endian integer."""
        size = struct.calcsize(layout)
        value: int = struct.unpack(layout, _exactly(self._data[self._at : self._at + size], size))[0]
        self._at += size
        return value

    def skip(self, size: int) -> None:
        self._at += size

    def length(self) -> int:
        """Read the length of a compact array or string: an unsigned varint, one more than the length."""
        return self._varint() - 1

    def tags(self) -> None:
        """Pass over tagged fields."""
        for _ in range(self._varint()):
            self._varint()
            self.skip(self._varint())

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(">B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        return value


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise CheckFailedError("the broker ended the connection in the middle of its answer")
    return data


def _require_success(error_code: int) -> None:
    if error_code:
        raise CheckFailedError(f"the broker answers with Kafka's error code {error_code}")


def _require_one(count: int) -> None:
    if count != 1:
        raise CheckFailedError("the broker does not know the metadata log")
