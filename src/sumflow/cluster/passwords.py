"""Passwords of a cluster: a placeholder never reaches it; what was generated once is kept."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping


def generate() -> str:
    """Make a password of 192 bits that needs no quoting anywhere."""
    return secrets.token_urlsafe(24)


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """Write values as a Secret's `data`."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def decoded(data: Mapping[str, str]) -> dict[str, str]:
    """Read a Secret's `data`."""
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def data(
    declared: Mapping[str, str], live: Mapping[str, str] | None, placeholder: str, make: Callable[[], str]
) -> dict[str, str]:
    """Return the `data` to apply: declared values as they are, placeholders from the cluster or, once, generated.

    Args:
        declared: the manifest's values.
        live: the `data` of the Secret that is there, None if none is.
        placeholder: what a placeholder contains.
        make: makes a password.
    """
    kept = decoded(live or {})
    return encoded({key: kept.get(key) or make() if placeholder in value else value for key, value in declared.items()})


def placeholders(live: Mapping[str, str], placeholder: str) -> tuple[str, ...]:
    """Return the keys of a cluster's Secret that hold a placeholder: somebody applied the manifest as it stands."""
    return tuple(key for key, value in decoded(live).items() if placeholder in value)
