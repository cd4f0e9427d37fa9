"""Reads docs/specification.md: its YAML, its tables, its commands, for the tests that compare the manifests with it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.topology.tree import ROOT, Manifest

TEXT = (ROOT / "docs/specification.md").read_text()

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """Return the text below a heading, up to the next one of the same level."""
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match, title
    return match.group(2)


def manifests() -> dict[str, list[Manifest]]:
    """Return the specified objects by file; the totalizer's database is the adder's, renamed as the text says."""
    found: dict[str, list[Manifest]] = {}
    for language, block in _FENCE.findall(section("Files to Create")):
        file = block.partition("\n")[0].removeprefix("# ")
        if language == "yaml":
            found[file] = [document for document in yaml.safe_load_all(block) if document]
    adder = yaml.safe_dump_all(found["k8s/infrastructure/postgres/adder-postgres.yaml"])
    renamed: list[Any] = list(yaml.safe_load_all(adder.replace("adder", "totalizer")))
    found["k8s/infrastructure/postgres/totalizer-postgres.yaml"] = renamed
    return found


def commands(title: str) -> list[str]:
    """Return the commands of a section, in order, continued lines joined."""
    blocks = [block for language, block in _FENCE.findall(section(title)) if language == "bash"]
    text = re.sub(r"\\\n\s*", "", "\n".join(blocks))
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def table(title: str) -> list[dict[str, str]]:
    """Return the rows of the first table below a heading."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


def files() -> set[str]:
    """Return the files of the specified directory tree."""
    found: set[str] = set()
    directories: list[str] = []
    for line in section("Directory Structure").splitlines():
        if match := re.match(r"([│ ]*)[├└]── (\S+)", line):
            depth = len(match.group(1)) // 4
            directories[depth:] = [match.group(2).rstrip("/")]
            if match.group(2).endswith(".yaml"):
                found.add("/".join(["k8s", *directories]))
    return found
