"""Reads additions out of lines of text: strict about numbers, tolerant about the punctuation around them.

A block in which every line is plain is read as a whole, with a few library calls for thousands of lines; only a block
that holds something else (a header, a comment, a blank, a mistake) is read line by line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sumflow.client.lines import Block
from sumflow.errors import UsageError
from sumflow.sums.numbers import INT64_MAX, INT64_MIN, is_int64

_NUMBER: Final = rb"[+-]?\d{1,18}"
_GAP: Final = rb"(?:[ \t]*+[,;][ \t]*+|[ \t]++)"
_PLAIN_PAIRS: Final = re.compile(rb"(?:" + _NUMBER + _GAP + _NUMBER + rb"\r?\n)++")
_PLAIN_SINGLES: Final = re.compile(rb"(?:" + _NUMBER + rb"\r?\n)++")
_PUNCTUATION: Final = bytes.maketrans(b",;", b"  ")

_SPLIT: Final = re.compile(r"\s*[,;]\s*|\s+")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_STARTS_LIKE_A_NUMBER: Final = re.compile(r"[+-]?[.,]?\d")
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that is not counted: its number from 1, its text (shortened), and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The additions of one block.

    Args:
        first_line: the block's identity.
        x: first numbers.
        y: second numbers, as many.
        line_numbers: the line each addition stands in.
        rejections: the lines that hold none, though they should.
        next_line: the line after the block.
        end_offset: the offset in bytes after the block.
        header_open: no line with content has been seen up to the block's end, so that a header may follow.
    """

    first_line: int
    x: list[int]
    y: list[int]
    line_numbers: Sequence[int]
    rejections: list[Rejection]
    next_line: int
    end_offset: int
    header_open: bool


def parse_number(text: str) -> int:
    """Read a signed 64-bit integer; raise UsageError that says what is wrong with the text."""
    if not _INTEGER.fullmatch(text):
        raise UsageError(f"{_shown(text)!r} is not an integer", remedy="give whole numbers, as `2` or `-17`")
    # Longer texts than any 64-bit number's are not worth converting, except for leading zeros, which nobody writes.
    value = int(text) if len(text) <= 40 else INT64_MAX + 1
    if not is_int64(value):
        raise UsageError(f"{_shown(text)} does not fit 64 bits", why=f"numbers go from {INT64_MIN:,} to {INT64_MAX:,}")
    return value


def parse(block: Block, *, header_open: bool) -> Batch:
    """Read a block; `header_open` says that no line before it had content."""
    text = b"\n".join(block.lines) + b"\n"
    count = len(block.lines)
    lines = range(block.first_line, block.first_line + count)
    if _PLAIN_PAIRS.fullmatch(text):
        numbers = list(map(int, text.translate(_PUNCTUATION).split()))
        return Batch(block.first_line, numbers[::2], numbers[1::2], lines, [], lines.stop, block.end_offset, False)
    if _PLAIN_SINGLES.fullmatch(text):
        return Batch(
            block.first_line, list(map(int, text.split())), [0] * count, lines, [], lines.stop, block.end_offset, False
        )
    return _parse_lines(block, header_open=header_open)


def _parse_lines(block: Block, *, header_open: bool) -> Batch:
    x: list[int] = []
    y: list[int] = []
    numbers: list[int] = []
    rejections: list[Rejection] = []
    for number, raw in enumerate(block.lines, block.first_line):
        text = raw.decode("utf-8", "backslashreplace").partition("#")[0].strip()
        if not text:
            continue
        is_header, header_open = header_open and _is_header(text), False
        if is_header:
            continue
        try:
            left, right = _addition(text)
        except UsageError as error:
            rejections.append(Rejection(number, _shown(text), error.what))
            continue
        x.append(left)
        y.append(right)
        numbers.append(number)
    end = block.first_line + len(block.lines)
    return Batch(block.first_line, x, y, numbers, rejections, end, block.end_offset, header_open)


def _addition(text: str) -> tuple[int, int]:
    columns = [_unquoted(column) for column in _SPLIT.split(text)]
    if len(columns) > 2:
        raise UsageError(f"{len(columns)} columns, not one or two")
    if "" in columns:
        raise UsageError("a column is empty")
    numbers = [parse_number(column) for column in columns]
    return numbers[0], numbers[1] if len(numbers) == 2 else 0


def _is_header(text: str) -> bool:
    """Tell names of columns from numbers: no column of a header begins like a number, not even like a wrong one."""
    return not any(_STARTS_LIKE_A_NUMBER.match(_unquoted(column)) for column in _SPLIT.split(text))


def _unquoted(column: str) -> str:
    return column[1:-1] if len(column) >= 2 and column[0] == column[-1] == '"' else column


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
