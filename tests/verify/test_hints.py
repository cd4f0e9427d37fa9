"""Every hint leads somewhere."""

from __future__ import annotations

import re

import pytest

from sumflow.verify import infrastructure, pipeline
from tests.house.test_budgets import ROOT
from tests.verify.fake import FakeTarget


@pytest.mark.parametrize("profile", ["dev", "kraft", "spec"])
def test_every_hint_leads_to_a_heading(profile: str) -> None:
    """The page named by a hint exists, and has the heading."""
    target = FakeTarget(profile)
    text = (ROOT / "docs/troubleshooting.md").read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-") for line in text.splitlines()}
    for check in [*infrastructure.checks(target), *pipeline.checks(target)]:
        assert check.hint.page == f"docs/troubleshooting.md#{check.hint.anchor}"
        assert check.hint.anchor in headings
        assert check.reason
        assert check.hint.text
