"""A mutant of the protocol: lines of the real code, changed in memory.

It names the text that it changes, so it fails loudly when the code moves on without it.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

Function = Callable[..., Any]
Edit = tuple[Function, str, str]
"""A function, a text that its source has once, and what stands there instead."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken protocol.

    Args:
        name: the rule that it breaks.
        edits: how.
        seed: a history that kills it.
    """

    name: str
    edits: tuple[Edit, ...]
    seed: int

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run with the broken protocol."""
        with ExitStack() as stack:
            for function in {function for function, _, _ in self.edits}:
                edits = [(old, new) for edited, old, new in self.edits if edited is function]
                stack.enter_context(_edited(function, edits))
            yield


@contextmanager
def _edited(function: Function, edits: list[tuple[str, str]]) -> Iterator[None]:
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in edits:
        assert source.count(old) == 1, f"{function.__qualname__} has {old!r} {source.count(old)} times"
        source = source.replace(old, new)
    changed = compile(source, inspect.getfile(function), "exec", __future__.annotations.compiler_flag)
    code = next(constant for constant in changed.co_consts if isinstance(constant, CodeType))
    original, function.__code__ = function.__code__, code
    try:
        yield
    finally:
        function.__code__ = original
