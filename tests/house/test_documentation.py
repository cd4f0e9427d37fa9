"""The documentation is complete and true: what exists is described, and what is described exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from sumflow import settings
from sumflow.cli.main import sumflow
from tests.house.test_budgets import ROOT, SOURCES
from tests.simulation.mutants import MUTANTS

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = [s for s in vars(settings).values() if isinstance(s, type) and issubclass(s, msgspec.Struct)]


@pytest.mark.parametrize("kind", [s for s in SETTINGS if s.__name__.endswith("Settings")], ids=lambda s: s.__name__)
def test_every_setting_is_described(kind: type[msgspec.Struct]) -> None:
    """Each variable that a process reads has its row in docs/settings.md."""
    text = (ROOT / "docs/settings.md").read_text()
    assert [f.encode_name for f in msgspec.structs.fields(kind) if f"`{f.encode_name}`" not in text] == []


@pytest.mark.parametrize("kind", [s for s in SETTINGS if s.__name__.endswith("Settings")], ids=lambda s: s.__name__)
def test_defaults_are_as_described(kind: type[msgspec.Struct]) -> None:
    """How long things are kept, how many may wait, how they are named: what a process takes is what its row says."""
    text = (ROOT / "docs/settings.md").read_text()
    known = {f.encode_name: f.default for f in msgspec.structs.fields(kind) if isinstance(f.default, str | int | float)}
    told = {name: f"`{default}`" if isinstance(default, str) else f"{default:g}" for name, default in known.items()}
    rows = {name: re.findall(rf"^\| `{name}` \|.*\| (.*) \|$", text, re.MULTILINE) for name in told if known[name]}
    assert {name: set(defaults) for name, defaults in rows.items()} == {name: {told[name]} for name in rows}


def test_every_command_is_in_the_readme() -> None:
    """Each command that is not hidden is shown in README.md."""
    context = click.Context(sumflow)
    shown = [name for name in sumflow.list_commands(context) if not _command(name).hidden]
    text = (ROOT / "README.md").read_text()
    assert [name for name in shown if f"sumflow {name}" not in text] == []


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_the_texts_exist(text: Path) -> None:
    """Each `sumflow NAME` in a text is a command."""
    known = set(sumflow.list_commands(click.Context(sumflow)))
    named = set(re.findall(r"(?:`|\$ |bin/)sumflow ([a-z]+)", text.read_text()))
    assert named - known == set()


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(text: Path) -> None:
    """Each relative link of a text leads to a file of the repository, and its anchor to a heading of that file."""
    for target in re.findall(r"\]\(([^)#\s]*(?:#[^)\s]*)?)\)", text.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = text.parent / path if path else text
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), target


def test_tests_that_the_texts_name_exist() -> None:
    """Each `tests/...::test_...` in docs/exactness.md is a test; in brackets stands a mutant of the simulation."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)(?:\[([^]]+)\])?`", (ROOT / "docs/exactness.md").read_text())
    assert named
    assert [f"{file}::{test}" for file, test, _ in named if f"def {test}(" not in (ROOT / file).read_text()] == []
    assert {mutant for _, _, mutant in named if mutant} - {mutant.name for mutant in MUTANTS} == set()


def test_every_metric_is_described() -> None:
    """Each metric that a service defines is in docs/metrics.md."""
    text = (ROOT / "docs/metrics.md").read_text()
    pattern = r"(?:Counter|Gauge|Histogram|Summary)\(\s*\"([a-z_]+)\""
    named = {name for source in SOURCES for name in re.findall(pattern, source.read_text())}
    assert named
    assert {name for name in named if f"`{name}`" not in text} == set()


def test_buckets_are_those_of_the_contract() -> None:
    """The latency histograms reach from 1 ms to 10 s."""
    from sumflow.telemetry import metrics

    histogram = metrics.event_processing_latency(CollectorRegistry())
    bounds = [float(s.labels["le"]) for m in histogram.collect() for s in m.samples if s.name.endswith("_bucket")]
    assert (bounds[0], bounds[-2]) == (0.001, 10.0)


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def _command(name: str) -> click.Command:
    command: click.Command | None = sumflow.get_command(click.Context(sumflow), name)
    assert command
    return command
