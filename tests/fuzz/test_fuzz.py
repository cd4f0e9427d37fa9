"""No input breaks a rule: those that did once, and some thousands that are made anew, the same in every run.

SUMFLOW_FUZZ_INPUTS sets another number; `python -m tests.fuzz --inputs 1000000` is the whole of it.
"""

from __future__ import annotations

import os
import re

import pytest

from sumflow.sums import event
from tests.fuzz import runner
from tests.fuzz.targets import TARGETS, Target

INPUTS = int(os.environ.get("SUMFLOW_FUZZ_INPUTS") or (100_000 if os.environ.get("CI") else 20_000))


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_breaks_a_rule(target: Target) -> None:
    """What is read is read as the oracle reads it, what is refused is refused in order, nothing else happens."""
    findings = runner.run_chunk(target.name, 0, INPUTS // len(TARGETS))
    assert not findings, "\n".join(f"{finding.case}\n{finding.reason}" for finding in findings[:3])


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_corpus_is_read_with_success(target: Target) -> None:
    """The good inputs are good, and the inputs that broke a rule once do so no more."""
    findings = runner.run_cases(target, [*target.corpus, *runner.regressions(target.name)])
    assert not findings, findings[0].reason


def test_a_wrong_reader_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were our reader laxer than it says, the fuzzer would find it: here, positions in capital letters too."""
    pattern = event._POSITION.pattern
    monkeypatch.setattr(event, "_POSITION", re.compile(pattern, re.IGNORECASE))
    assert runner.run_chunk("position", 0, 5_000)
