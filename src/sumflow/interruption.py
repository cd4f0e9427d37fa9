"""Ends this process in good order when somebody asks for it: once, and undisturbed by a second request."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Somebody asked this process to end: Ctrl-C, `sumflow down`, or the end of the login."""


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Raise Interrupted in the main thread at the first signal; the yielded function ignores further ones."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def undisturbed() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        undisturbed()
        raise Interrupted

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield undisturbed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
