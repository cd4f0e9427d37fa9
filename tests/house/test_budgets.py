"""Size budgets: what separates code that is read from code that is avoided is the long tail."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for p in (ROOT / "src").rglob("*.py") if "_pb2" not in p.name)
TESTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "testing").rglob("*.py")])


def _function_sizes(paths: list[Path]) -> dict[str, int]:
    sizes = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                sizes[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = node.end_lineno - node.lineno + 1
    return sizes


def _p90(sizes: list[int]) -> float:
    return statistics.quantiles(sizes, n=10)[8]


def test_functions_are_short() -> None:
    """The median function of the package has at most 9 lines, nine in ten at most 35."""
    sizes = list(_function_sizes(SOURCES).values())
    assert statistics.median(sizes) <= 9
    assert _p90(sizes) <= 35


@pytest.mark.parametrize("paths", [SOURCES, TESTS], ids=["src", "tests"])
def test_no_function_is_long(paths: list[Path]) -> None:
    """No function, of the package or of the tests, has more than 70 lines."""
    assert [name for name, lines in _function_sizes(paths).items() if lines > 70] == []


@pytest.mark.parametrize("paths", [SOURCES, TESTS], ids=["src", "tests"])
def test_no_file_is_long(paths: list[Path]) -> None:
    """Nine in ten files have at most 250 lines, none more than 400."""
    sizes = {str(p.relative_to(ROOT)): p.read_text().count("\n") + 1 for p in paths}
    assert [name for name, lines in sizes.items() if lines > 400] == []
    assert _p90(list(sizes.values())) <= 250


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_why_it_exists(path: Path) -> None:
    """Every module has a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text()))
