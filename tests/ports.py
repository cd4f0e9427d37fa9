"""Ports for servers that tests start: below those that the kernel gives to outgoing connections.

So none of these gets in between looking for a port and listening on it; another run of the tests starts elsewhere.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from typing import Final

from sumflow.settings import Address

HOST: Final = "127.0.0.1"
BLOCK: Final = 60
"""Ports that `sumflow up --port-base` may need, and some more."""
_FIRST, _LAST = 20_000, 32_000
_BLOCKS: Final = (_LAST - _FIRST) // BLOCK


def _blocks() -> Iterator[int]:
    """Yield the first ports of blocks, in a ring that begins at a place of this process's own."""
    for i in itertools.count(os.getpid()):
        yield _FIRST + BLOCK * (i % _BLOCKS)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


_ring = _blocks()


def free_port_base() -> int:
    """Return the first of BLOCK consecutive ports that nobody listens on; each is given out once in a round."""
    return next(base for base in itertools.islice(_ring, _BLOCKS) if all(map(_is_free, range(base, base + BLOCK))))


def _ports() -> Iterator[int]:
    while True:
        base = free_port_base()
        yield from range(base, base + BLOCK)


_singles = _ports()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    return next(port for port in itertools.islice(_singles, 10 * BLOCK) if _is_free(port))


def free_address() -> Address:
    """Return an address that nobody listens on."""
    return Address(HOST, free_port())
