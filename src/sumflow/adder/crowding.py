"""Makes room on the gRPC port before it is full: whoever has been silent for longest gives way.

gRPC refuses the newcomer when all places are taken, however little those who have them do: connections that open and
say nothing more could keep everybody out. It gives no hold on its connections, so they are found where the kernel has
them: among this process's open files. Linux says how long each has been silent (tcp(7), TCP_INFO); elsewhere gRPC's own
limits are all there is. A client whose quiet connection is closed opens another at its next call, by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from sumflow import descriptors
from sumflow.settings import AdderSettings

EVERY_S: Final = 0.5
FULL_SHARE: Final = 0.9
"""From so many of the places being taken on, room is made."""
ROOM_SHARE: Final = 0.8
"""Room is made until so many are taken, or nobody is silent."""
_OPEN_FILES: Final = Path("/proc/self/fd")
_SILENT_MS: Final = struct.Struct("=52xI")
"""struct tcp_info of linux/tcp.h, as far as tcpi_last_data_recv."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Connection:
    """A client's connection: its number among the open files, who is at the other end, how long nothing came."""

    number: int
    peer: Any
    silent_s: float


def chosen(connections: Iterable[Connection], limit: int, silent_s: float) -> list[Connection]:
    """Return who gives way, the longest silent first.

    Args:
        connections: all there are.
        limit: how many there may be.
        silent_s: who spoke within this time stays: an answer may be awaited.
    """
    known = sorted(connections, key=lambda each: each.silent_s, reverse=True)
    if len(known) < FULL_SHARE * limit:
        return []
    return [each for each in known[: len(known) - int(ROOM_SHARE * limit)] if each.silent_s > silent_s]


async def make_room(settings: AdderSettings) -> None:
    """Keep places of the port free, until cancelled."""
    port, limit = settings.grpc_listen.port, descriptors.allow(settings.adder_max_connections)
    while _OPEN_FILES.exists():
        await asyncio.sleep(EVERY_S)
        with contextlib.suppress(OSError):  # no file can be opened any more: then the next turn, when some are closed
            if sum(1 for _ in _OPEN_FILES.iterdir()) >= FULL_SHARE * limit:
                _end_all(chosen(connections(port), limit, settings.adder_commit_timeout_s), port)


def connections(port: int) -> Iterator[Connection]:
    """Return this process's connections of clients of a port."""
    for number in (int(path.name) for path in _OPEN_FILES.iterdir()):
        # Each is looked at by a copy of its number, one at a time: the process has open files to spare, not as many.
        with contextlib.suppress(OSError), _copy(number, port) as found:
            information = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SILENT_MS.size)
            (silent_ms,) = _SILENT_MS.unpack(information)
            yield Connection(number, found.getpeername(), silent_ms / 1000)


def _end_all(silent: Iterable[Connection], port: int) -> None:
    """Close connections for both sides, but those that have ended meanwhile; gRPC then sees that they are over."""
    ended = 0
    for each in silent:
        with contextlib.suppress(OSError), _copy(each.number, port) as found:
            if found.getpeername() == each.peer:
                found.shutdown(socket.SHUT_RDWR)
                ended += 1
    if ended:
        _log.warning("the port was nearly full: the longest silent connections were ended", connections=ended)


@contextlib.contextmanager
def _copy(number: int, port: int) -> Iterator[socket.socket]:
    """Give a socket for an open file; raise OSError if it is none of this port."""
    copy = os.dup(number)
    try:
        found = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with found:
        if found.family not in (socket.AF_INET, socket.AF_INET6) or found.getsockname()[1] != port:
            raise OSError(f"{number} is no connection of port {port}")
        yield found
