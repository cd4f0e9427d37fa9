"""The await points of the services' own code: where it can stop, by its source, and where a process stopped."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any, Final

from sumflow.adder.relay_session import RelaySession
from sumflow.adder.session import LaneSession
from sumflow.adder.writer import Writer

SIMULATED: Final[tuple[Callable[..., Any], ...]] = (
    Writer.run,
    Writer._serve,
    Writer._turn,
    Writer._commit,
    Writer._work_arrives,
    LaneSession.open.__func__,  # type: ignore[attr-defined]  # a class method's function
    LaneSession.store,
    LaneSession._commit,
    LaneSession._insert,
    LaneSession._remember,
    LaneSession._look_up,
    LaneSession.probe,
    LaneSession.close,
    RelaySession._publish,
    RelaySession._send,
    RelaySession._send_chunk,
    RelaySession._record,
    RelaySession._survey,
    RelaySession._claim,
    RelaySession._close_and_finish,
    RelaySession._query,
)
"""What runs in the simulation as it is; the rest of these classes waits for clients, threads and sockets."""
AT_ONCE: Final = ("fetchall", "fetchone", "connect", "to_thread", "close", "discard")
"""Calls that the stand-ins answer without a wait: nobody can die there."""


@dataclass(frozen=True, slots=True)
class Point:
    """An await of a function: its line in the file, and what is awaited."""

    function: str
    line: int
    awaited: str

    def __str__(self) -> str:
        return f"{self.function}:{self.line} await {self.awaited}"


def points() -> set[Point]:
    """Return every await of the simulated functions at which something can be waited for."""
    return {point for function in SIMULATED for point, _ in _awaits(function.__code__)}


@cache
def _awaits(code: CodeType) -> tuple[tuple[Point, range], ...]:
    return tuple(_find_awaits(code))


def _find_awaits(code: CodeType) -> Iterator[tuple[Point, range]]:
    lines, first = inspect.getsourcelines(code)
    for node in ast.walk(ast.parse(textwrap.dedent("".join(lines)))):
        if isinstance(node, ast.Await) and not _is_at_once(node.value):
            at = range(first + node.lineno - 1, first + (node.end_lineno or node.lineno))
            yield Point(code.co_qualname, at.start, ast.unparse(node.value)), at


def _is_at_once(awaited: ast.expr) -> bool:
    call = awaited.func if isinstance(awaited, ast.Call) else awaited
    if not isinstance(call, ast.Attribute) or call.attr not in AT_ONCE:
        return False
    return "session" not in ast.unparse(call.value) or call.attr == "discard"


def stopped_at(work: Coroutine[Any, Any, None]) -> Iterable[tuple[CodeType, int]]:
    """Return code and line of each function that a process is in, from the outermost to what it waits for."""
    awaiting: Any = work
    while (frame := getattr(awaiting, "cr_frame", None)) is not None:
        yield frame.f_code, frame.f_lineno
        awaiting = awaiting.cr_await


def met(stops: Iterable[tuple[CodeType, int]]) -> set[Point]:
    """Return the await points among places where processes stopped."""
    known = {function.__code__ for function in SIMULATED}
    found = set()
    for code, line in stops:
        if code in known:
            found |= {point for point, at in _awaits(code) if line in at}
    return found
