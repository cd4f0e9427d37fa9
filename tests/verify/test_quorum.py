"""DescribeQuorum on the wire."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from sumflow.settings import Address
from sumflow.verify import quorum
from sumflow.verify.check import CheckFailedError


def answer(*, error: int = 0, partition_error: int = 0, topics: int = 1, leader: int = 2) -> bytes:
    """Write a response for the metadata log with the voters 0, 1 and 2, with a tagged field that nobody knows."""
    voters = b"\x04" + b"".join(struct.pack(">iq", node, 100 - node) + b"\0" for node in range(3))
    partition = struct.pack(">ihiiq", 0, partition_error, leader, 7, 99) + voters + b"\x01" + b"\0"
    topic = b"\x13__cluster_metadata" + b"\x02" + partition + b"\0"
    head = struct.pack(">i", 1) + b"\x01\x05\x02ab"
    return head + struct.pack(">h", error) + (bytes([topics + 1]) + topic * topics) + b"\0"


def test_the_answer_is_read_over_fields_that_nobody_knows() -> None:
    """Leader, epoch, high watermark and each voter's log end come out; unknown tagged fields are passed over."""
    seen = quorum.parse(answer())
    assert (seen.leader, seen.epoch, seen.high_watermark) == (2, 7, 99)
    assert seen.voters == {0: 100, 1: 99, 2: 98}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (answer(error=35), "error code 35"),
        (answer(partition_error=3), "error code 3"),
        (answer(topics=0), "does not know the metadata log"),
        (answer()[:30], "in the middle of its answer"),
    ],
)
def test_errors_and_cut_answers_are_failures(data: bytes, message: str) -> None:
    """An error code at any level, an empty answer or a cut one is told, never read as a quorum."""
    with pytest.raises(CheckFailedError, match=message):
        quorum.parse(data)


def test_somebody_else_on_the_port_is_no_broker() -> None:
    """A web server on the broker's port is told from a broker."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(CheckFailedError, match="does not answer as a Kafka broker"):
            quorum.describe(Address("127.0.0.1", server.getsockname()[1]))


@pytest.mark.integration
def test_a_real_broker_answers(kafka_bootstrap: str) -> None:
    """A KRaft broker names a leader among its voters."""
    seen = quorum.describe(Address.parse(kafka_bootstrap))
    assert seen.leader in seen.voters
    assert seen.high_watermark > 0
