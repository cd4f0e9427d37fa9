"""True histories for the recovery's tests: the audit's."""

from __future__ import annotations

from tests.audit.conftest import copy, original

__all__ = ["copy", "original"]
