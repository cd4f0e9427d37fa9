"""Kubernetes versions as they are compared: major and minor, nothing behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class Version(NamedTuple):
    """A Kubernetes version, as 1.34."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.34`; raise ValueError if it is none."""
        major, _, minor = text.partition(".")
        return cls(int(major), int(minor))

    @classmethod
    def answered(cls, answer: Mapping[str, Any]) -> Version:
        """Read the answer of /version; some providers write the minor as `34+`."""
        return cls(*(int(re.sub(r"\D.*", "", str(answer[key]))) for key in ("major", "minor")))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"
