"""Asks a Kafka broker which brokers there are and which of them is the controller.

The Kafka client would go on to the addresses that the brokers advertise, which are names inside the cluster. Through a
port-forward there is one connection, and one request is enough: Metadata, API key 3, version 1
(kafka.apache.org/protocol).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

from sumflow.errors import SumflowError
from sumflow.settings import Address

_REQUEST: Final = struct.pack(">hhihi", 3, 1, 1, -1, 0)
"""API key, version, correlation id, no client id, and an empty list of topics: none is asked for."""
_ANSWER_AT_MOST_BYTES: Final = 1 << 20
_MAX_BROKERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Brokers:
    """The brokers: id to advertised address; `controller` is an id, -1 if there is none."""

    addresses: dict[int, Address]
    controller: int


def ask(broker: Address, timeout_s: float = 8.0) -> Brokers:
    """Ask one broker; raise SumflowError if it does not answer as a Kafka broker."""
    try:
        with socket.create_connection((broker.host, broker.port), timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
            with connection.makefile("rb") as answer:
                (size,) = struct.unpack(">i", answer.read(4))
                return parse(answer.read(min(size, _ANSWER_AT_MOST_BYTES)))
    except (OSError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise SumflowError(f"the broker does not answer: {error}", remedy="look at its pod and its log") from error


def parse(answer: bytes) -> Brokers:
    """Read the response; raise struct.error where it is cut off."""
    at, addresses = 8, dict[int, Address]()
    (count,) = struct.unpack_from(">i", answer, 4)
    for _ in range(min(count, _MAX_BROKERS)):
        node, length = struct.unpack_from(">ih", answer, at)
        at += 6
        host = answer[at : at + length].decode()
        port, rack_length = struct.unpack_from(">ih", answer, at + length)
        at += length + 6 + max(rack_length, 0)
        addresses[node] = Address(host, port)
    (controller,) = struct.unpack_from(">i", answer, at)
    return Brokers(addresses, controller)
