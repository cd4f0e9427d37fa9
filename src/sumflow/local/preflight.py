"""Looks, before anything is started, whether the ports are free, and who has those that are not."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import Final

import psutil

from sumflow.errors import SumflowError

_FIRST: Final = 20_000
_LAST: Final = 32_000


def require_free(ports: Mapping[str, int]) -> None:
    """Raise SumflowError for the first port that somebody else has."""
    for key, port in ports.items():
        if not is_free(port):
            raise taken(key, port)


def is_free(port: int) -> bool:
    """Tell whether a port of 127.0.0.1 can be listened on, by nobody but the one who asks."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True


def free_block(size: int) -> int:
    """Return the first of so many consecutive free ports, for a system of one's own; raise SumflowError without one.

    They lie below those that the kernel gives to outgoing connections. Where the search begins differs by process.
    """
    places = range(_FIRST, _LAST - size, size)
    for i in range(len(places)):
        base = places[(os.getpid() + i) % len(places)]
        if all(map(is_free, range(base, base + size))):
            return base
    raise SumflowError(f"there are no {size} free ports in a row from {_FIRST} to {_LAST}")


def taken(key: str, port: int) -> SumflowError:
    """Return the error for a port that is taken: its number, what it is for, whose it is, and the way out."""
    component, _, name = key.partition("/")
    return SumflowError(
        f"port {port}, which {component} needs for {name}, is taken{_by(holder(port))}",
        why="another program, or another SumFlow on this machine, listens on it",
        remedy="stop that program, or give this system a block of its own: `sumflow up --port-base 21000`",
    )


def holder(port: int) -> str:
    """Return `name (pid)` of the process that listens on a port, or an empty text if that cannot be told."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})" if connection.pid else ""
            except psutil.NoSuchProcess:
                return ""
    return ""


def _by(who: str) -> str:
    return f" by {who}" if who else ""
