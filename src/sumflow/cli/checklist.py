"""Draws the results of `verify`; pure, so that a golden file holds what people see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sumflow.cli import units
from sumflow.verify.check import Outcome, Result

_INDENT = "       "


def lines(result: Result, mark: Callable[[str], str]) -> Iterator[str]:
    """Draw one result: what, and below it the evidence; for a failure also why it matters and what to do."""
    elapsed = "" if result.outcome is Outcome.NOT_APPLICABLE else f"  ({units.duration(result.elapsed_s)})"
    yield f"  {mark(result.outcome)} {result.check.sentence}{elapsed}"
    yield f"{_INDENT}{result.evidence}"
    if result.outcome is Outcome.FAILED:
        yield f"{_INDENT}why it matters: {result.check.reason}"
        yield f"{_INDENT}what to do: {result.check.hint.text}"
        yield f"{_INDENT}more: {result.check.hint.page}"


def summary(results: Sequence[Result]) -> str:
    """Count the outcomes in one line."""
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "no checks"


def passed(results: Sequence[Result]) -> bool:
    """Tell whether nothing failed."""
    return all(result.outcome is not Outcome.FAILED for result in results)


def document(results: Sequence[Result], profile: str) -> dict[str, Any]:
    """Write the results for a program."""
    return {
        "profile": profile,
        "passed": passed(results),
        "checks": [
            {
                "category": result.check.category,
                "check": result.check.sentence,
                "result": str(result.outcome),
                "evidence": result.evidence,
                "elapsed_s": round(result.elapsed_s, 3),
                "reason": result.check.reason,
                "hint": result.check.hint.text,
                "page": result.check.hint.page,
            }
            for result in results
        ],
    }
