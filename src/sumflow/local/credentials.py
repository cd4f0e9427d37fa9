"""The secrets of one system: generated where the manifests hold a placeholder, kept in files only the owner reads."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from sumflow.errors import UsageError
from sumflow.local.datadir import write_atomically
from sumflow.topology.model import Secret

Values = Mapping[tuple[str, str], Mapping[str, str]]
"""Namespace and name of a Secret to its values."""


def ensure(directory: Path, declared: Iterable[Secret]) -> dict[tuple[str, str], dict[str, str]]:
    """Return every secret's values: kept ones where a file has them, declared or generated ones otherwise."""
    return {(secret.namespace, secret.name): _one(directory, secret) for secret in declared}


def read(directory: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Return the kept secrets."""
    found = {}
    for path in sorted(directory.glob("*.*.json")):
        namespace, _, name = path.name.removesuffix(".json").partition(".")
        found[namespace, name] = _load(path)
    return found


def lost(directory: Path, declared: Iterable[Secret]) -> list[Secret]:
    """Return the secrets that are generated and have no file: none was made yet, or it was removed."""
    return [secret for secret in declared if secret.placeholders and not _path(directory, secret).exists()]


def _path(directory: Path, secret: Secret) -> Path:
    return directory / f"{secret.namespace}.{secret.name}.json"


def _one(directory: Path, secret: Secret) -> dict[str, str]:
    """A kept value wins over the manifest only where the manifest has a placeholder: that value is nowhere else."""
    path = _path(directory, secret)
    kept = _load(path) if path.exists() else {}
    values = dict(secret.values)
    for key in sorted(secret.placeholders):
        values[key] = kept.get(key) or secrets.token_urlsafe(24)
    if values != kept:
        write_atomically(path, msgspec.json.encode(values), mode=0o600)
    return values


def _load(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is damaged: {error}",
            why="it holds the only copy of a database's password",
            remedy="restore the file; or remove it: the next `sumflow up` gives the database a new password",
        ) from error
