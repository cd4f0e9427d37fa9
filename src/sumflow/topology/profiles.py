"""Finds the manifests and lists the profiles, each with the purpose that its own first line states."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sumflow.errors import UsageError
from sumflow.topology.kustomize import kustomization_file

DEFAULT = "dev"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile: its name, what it is for in one line, and its directory."""

    name: str
    purpose: str
    directory: Path


def manifests_root(explicit: Path | None = None) -> Path:
    """Return the directory `k8s`: the one given, else the installed package's, else the checkout's."""
    package = Path(__file__).resolve().parent.parent
    candidates = (explicit,) if explicit else (package / "k8s", package.parent.parent / "k8s")
    for candidate in candidates:
        if (candidate / "profiles").is_dir():
            return candidate.resolve()
    looked = " and ".join(str(candidate) for candidate in candidates)
    raise UsageError(
        "the manifests are not there",
        why=f"looked for a directory `profiles` in {looked}",
        remedy="name the directory k8s of a checkout, or install SumFlow again",
    )


def profiles(root: Path | None = None) -> tuple[Profile, ...]:
    """Return all profiles, by name."""
    found = []
    for directory in sorted((manifests_root(root) / "profiles").iterdir()):
        file = kustomization_file(directory) if directory.is_dir() else None
        if file:
            found.append(Profile(directory.name, _purpose(file), directory))
    return tuple(found)


def profile(name: str, root: Path | None = None) -> Profile:
    """Return a profile by name; raise UsageError, naming all, if there is none of that name."""
    known = profiles(root)
    for each in known:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in known)
    raise UsageError(f"there is no profile `{name}`", remedy=f"choose one of {names}")


def _purpose(file: Path) -> str:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
