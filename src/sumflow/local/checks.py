"""The questions that tell whether a process does its work: what the manifests' probes become on one machine.

They are values, kept in the state file, so that `sumflow status` asks the same as the supervisor does.
"""

from __future__ import annotations

import http.client
import socket
import struct
from pathlib import Path
from typing import Final

import msgspec

from sumflow.errors import SumflowError
from sumflow.local import process, zookeeper

_HOST: Final = "127.0.0.1"
_READ_AT_MOST: Final = 1 << 16
_SAID_AT_MOST: Final = 400
"""So much of an answer is shown: a reason and its remedy fit."""


class PortOpen(msgspec.Struct, frozen=True, tag="port"):
    """Passes when the port accepts a connection."""

    port: int


class HttpOk(msgspec.Struct, frozen=True, tag="http"):
    """Passes when GET answers 200 to 399, as an httpGet probe."""

    port: int
    path: str


class CommandOk(msgspec.Struct, frozen=True, tag="command"):
    """Passes when the command ends with 0, as an exec probe."""

    argv: tuple[str, ...]


class KafkaAnswers(msgspec.Struct, frozen=True, tag="kafka"):
    """Passes when a broker or controller answers a request: one that hangs still lets the kernel open connections."""

    port: int


class ZooKeeperAlive(msgspec.Struct, frozen=True, tag="zookeeper-alive"):
    """Passes when the node answers `ruok`, with a quorum or without one: its peers' absence is not its own illness.

    Answering is not enough where its newest transaction log in `data` has no header: it stumbles over that until it is
    started again.
    """

    port: int
    data: str


class ZooKeeperServes(msgspec.Struct, frozen=True, tag="zookeeper"):
    """Passes when the node answers `srvr` as a member of a quorum."""

    port: int


Check = PortOpen | HttpOk | CommandOk | KafkaAnswers | ZooKeeperAlive | ZooKeeperServes


def problem_of(check: Check, timeout_s: float) -> str | None:
    """Ask; return None when the check passes, else what is wrong in a few words."""
    try:
        return _ask(check, timeout_s)
    except ConnectionRefusedError:
        return "it does not listen yet"
    except TimeoutError:
        return f"it does not answer within {timeout_s:.0f} s"
    except SumflowError as error:
        return error.what
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"[:200]


def _ask(check: Check, timeout_s: float) -> str | None:
    match check:
        case PortOpen(port):
            socket.create_connection((_HOST, port), timeout_s).close()
            return None
        case HttpOk(port, path):
            return _http(port, path, timeout_s)
        case CommandOk(argv):
            return _command(argv, timeout_s)
        case KafkaAnswers(port):
            return _kafka(port, timeout_s)
        case ZooKeeperAlive(port, data):
            return _zookeeper(port, Path(data), timeout_s)
        case ZooKeeperServes(port):
            return None if b"Mode: " in four_letters(b"srvr", port, timeout_s) else "it has found no quorum yet"


def _http(port: int, path: str, timeout_s: float) -> str | None:
    """Ask with the standard library: a client for the open internet takes longer to set up than the question takes."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read(_READ_AT_MOST).decode(errors="replace").strip()
    finally:
        connection.close()
    if answer.status < http.HTTPStatus.BAD_REQUEST:
        return None
    return f"{path} answers {answer.status}: {said[:_SAID_AT_MOST]}"


def _command(argv: tuple[str, ...], timeout_s: float) -> str | None:
    done = process.run(argv, timeout_s)
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip()[:160]
    return said or f"{argv[0].rpartition('/')[2]} ends with {done.returncode}"


def _zookeeper(port: int, data: Path, timeout_s: float) -> str | None:
    if four_letters(b"ruok", port, timeout_s) != b"imok":
        return "it does not say that it is well"
    headless = zookeeper.headless_log(data)
    return f"it cannot read {headless.name}, which has no header" if headless else None


def _kafka(port: int, timeout_s: float) -> str | None:
    """Ask ApiVersions in version 0, which any client may ask first and every release answers (KIP-35, KIP-896)."""
    key, version, correlation, no_client_id = 18, 0, 1, -1
    request = struct.pack(">ihhih", 10, key, version, correlation, no_client_id)
    with socket.create_connection((_HOST, port), timeout_s) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            head = answer.read(10)
    if len(head) < 10 or struct.unpack(">iih", head)[1:] != (correlation, 0):
        return "it does not answer as Kafka does"
    return None


def four_letters(word: bytes, port: int, timeout_s: float) -> bytes:
    """Ask a ZooKeeper node one of its four-letter words; it ends the connection after its answer.

    Raises:
        OSError: the node does not answer.
    """
    with socket.create_connection((_HOST, port), timeout_s) as connection:
        connection.sendall(word)
        with connection.makefile("rb") as answer:
            return answer.read(_READ_AT_MOST)
