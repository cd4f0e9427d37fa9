"""Open files of a process, of which each connection is one: clients must never take those that the database needs."""

from __future__ import annotations

import resource
from typing import Final

SPARE: Final = 200
"""For databases, brokers, logs and libraries."""


def allow(connections: int) -> int:
    """Raise this process's limit to so many connections if it is lower; return how many it allows after all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    return max(granted - SPARE, 1)
