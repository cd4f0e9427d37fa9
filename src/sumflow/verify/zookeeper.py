"""Reads ZooKeeper's answer to the four-letter word `srvr` (ZooKeeper Administrator's Guide, 4lw commands)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_MODE: Final = re.compile(r"^Mode: (\w+)$", re.MULTILINE)


def modes(answers: Mapping[str, str]) -> dict[str, str]:
    """Return each node's role: leader, follower, standalone, or `not serving`."""
    return {name: match[1] if (match := _MODE.search(text)) else "not serving" for name, text in answers.items()}


def problem(roles: Mapping[str, str], declared: int) -> str | None:
    """Say what is wrong with an ensemble, or None: as many nodes as declared, one leads, the others follow."""
    expected = sorted(["leader", *["follower"] * (declared - 1)] if declared > 1 else ["standalone"])
    if sorted(roles.values()) == expected:
        return None
    return ", ".join(f"{name} is {role}" for name, role in roles.items()) or "no node is known"
