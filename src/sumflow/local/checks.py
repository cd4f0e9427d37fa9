"""The questions that tell whether a process does its work: what the manifests' probes become on one machine.

They are values, kept in the state file, so that `sumflow status` asks the same as the supervisor does.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
from typing import Final

import msgspec

from sumflow.settings import child_environment

_HOST: Final = "127.0.0.1"
_READ_AT_MOST: Final = 1 << 16


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


class ZooKeeperServes(msgspec.Struct, frozen=True, tag="zookeeper"):
    """Passes when the node answers `srvr` as a member of a quorum."""

    port: int


Check = PortOpen | HttpOk | CommandOk | ZooKeeperServes


def problem_of(check: Check, timeout_s: float) -> str | None:
    """Ask; return None when the check passes, else what is wrong in a few words."""
    try:
        match check:
            case PortOpen(port):
                socket.create_connection((_HOST, port), timeout_s).close()
                return None
            case HttpOk(port, path):
                return _http(port, path, timeout_s)
            case CommandOk(argv):
                return _command(argv, timeout_s)
            case ZooKeeperServes(port):
                return _zookeeper(port, timeout_s)
    except ConnectionRefusedError:
        return "it does not listen yet"
    except (OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"[:200]


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
    return f"{path} answers {answer.status}: {said[:160]}"


def _command(argv: tuple[str, ...], timeout_s: float) -> str | None:
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=timeout_s, check=False, env=child_environment({})
    )
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip()[:160]
    return said or f"{argv[0].rpartition('/')[2]} ends with {done.returncode}"


def _zookeeper(port: int, timeout_s: float) -> str | None:
    with socket.create_connection((_HOST, port), timeout_s) as connection:
        connection.sendall(b"srvr")
        said = b""
        while len(said) < 1 << 16 and (more := connection.recv(4096)):
            said += more
    return None if b"Mode: " in said else "it has found no quorum yet"
