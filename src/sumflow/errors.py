"""The one family of errors that reach a person: what failed, why it matters, what to type next."""

from __future__ import annotations

from typing import Final

SEE_STATUS: Final = (
    "`sumflow status` shows what runs, `sumflow up` starts it; on a cluster, `sumflow status --on kubernetes`"
)
"""The remedy of those who speak to a service without knowing where it runs."""


class SumflowError(Exception):
    """A failure with its remedy.

    Args:
        what: what failed, one sentence.
        why: the cause or the consequence, one sentence; empty if `what` says it all.
        remedy: what the reader does next, a command where there is one.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    @property
    def in_a_line(self) -> str:
        """What failed and why, for a line that has other things to say too."""
        return f"{self.what}: {self.why}" if self.why else self.what


class UsageError(SumflowError):
    """The request itself cannot be carried out: bad input, a file that is not there, a wrong option."""

    exit_code = 2


class NotRunningError(SumflowError):
    """The system that a command speaks to is not up."""

    exit_code = 3


class ManifestError(SumflowError):
    """A manifest says something that SumFlow cannot honour; names the file and the line.

    Args:
        what: what the manifest says that is not honoured.
        file: the manifest's path, as the reader would type it.
        line: the line in that file, from 1.
    """

    exit_code = 2

    def __init__(self, what: str, *, file: str, line: int, why: str = "", remedy: str = "") -> None:
        super().__init__(f"{file}:{line}: {what}", why=why, remedy=remedy)
        self.file = file
        self.line = line


class StepError(SumflowError):
    """A stage of a bring-up did not become ready in its time, or cannot become ready at all."""
