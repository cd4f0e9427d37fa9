"""The live page: one file without any other, under a policy that lets it run exactly its own script and style."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Self


@dataclass(frozen=True, slots=True)
class Page:
    """The page and the headers that it is served with."""

    html: str
    headers: Mapping[str, str]

    @classmethod
    def load(cls) -> Self:
        """Read the page from the package."""
        html = resources.files(__package__ or "").joinpath("page.html").read_text("utf-8")
        policy = {
            "default-src": "'none'",
            "style-src": _hashes(html, "style"),
            "script-src": _hashes(html, "script"),
            "connect-src": "'self'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        headers = {
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        return cls(html, headers)


def _hashes(html: str, element: str) -> str:
    """Return the sources of Content Security Policy Level 3 for the page's inline elements of one kind."""
    bodies = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
