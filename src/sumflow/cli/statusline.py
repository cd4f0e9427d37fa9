"""One line of a terminal that is redrawn while something is under way, and leaves no trace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Self, TextIO


class StatusLine:
    """A spinner with a text; used as a context manager.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        # Imported here: only terminals pay for it.
        from rich.console import Console
        from rich.text import Text

        self._text = Text
        self._console = Console(file=stream)
        self._status = self._console.status("")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._status.stop()

    def show(self, text: str) -> None:
        """Replace the text; what does not fit one line is cut."""
        room = max(self._console.width - 4, 10)
        cut = text if len(text) <= room else text[: room - 1] + "…"
        self._status.update(self._text(cut.replace("\n", " ")))

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Take the line away while something else is written."""
        self._status.stop()
        yield
        self._status.start()
