"""What libraries print becomes lines of the log, whole and bounded."""

from __future__ import annotations

import logging
import sys
import traceback

import pytest

from sumflow.telemetry import logs


def test_what_is_printed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A line is one record, however it is written; a traceback is one too, and begins with what was raised."""
    with caplog.at_level(logging.WARNING, logs.STRAY), logs.stray_lines():
        sys.stderr.write("half a line, ")
        sys.stderr.write("and its end\n\n")
        try:
            int("bad name")
        except ValueError:
            traceback.print_exc()
    line, failure = (record.getMessage() for record in caplog.records)
    assert line == "half a line, and its end"
    assert failure.startswith(
        "ValueError: invalid literal for int() with base 10: 'bad name'\nTraceback (most recent call last):\n"
    )
    assert "test_logs.py" in failure


def test_a_traceback_without_an_end_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Of indented lines so many are kept as a traceback may have, not as many as come."""
    with caplog.at_level(logging.WARNING, logs.STRAY), logs.stray_lines():
        sys.stderr.write("  deep\n" * (2 * logs._TRACEBACK_LINES + 2))
    assert len(caplog.records) == 2
