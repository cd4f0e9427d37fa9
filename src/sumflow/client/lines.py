"""Cuts a byte stream into blocks of a fixed number of lines, in bounded memory.

The same bytes always give the same blocks, however they arrive: a block's first line is its identity, and with it a
block that is sent again is recognised and counted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from sumflow.errors import UsageError

LINES_PER_BLOCK: Final = 4_000
"""Part of an import's identity: changing it would count the rest of interrupted imports differently."""
_CHUNK_BYTES: Final = 1 << 18
_LINE_AT_MOST_BYTES: Final = 1 << 20

_UTF8_BOM: Final = b"\xef\xbb\xbf"
_FOREIGN: Final = {
    b"\xff\xfe": ("UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE | sumflow add --file -"),
    b"\xfe\xff": ("UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE | sumflow add --file -"),
    b"\x1f\x8b": ("a gzip file", "gzip -dc FILE | sumflow add --file -"),
    b"PK\x03\x04": ("a zip file or a spreadsheet", "save it as CSV first"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines, without their line ends.

    Args:
        first_line: the number of the first, from 1.
        lines: 1 to LINES_PER_BLOCK of them.
        end_offset: the offset in bytes of what follows.
    """

    first_line: int
    lines: list[bytes]
    end_offset: int


def blocks(stream: BinaryIO, *, first_line: int = 1, offset: int = 0) -> Iterator[Block]:
    """Cut a stream that stands at `offset`, where line `first_line` begins; raise UsageError if it is no text."""
    waiting: list[bytes] = []
    for lines in _lines(stream, at_start=offset == 0):
        waiting += lines
        while len(waiting) >= LINES_PER_BLOCK:
            block = _block(waiting[:LINES_PER_BLOCK], first_line, offset)
            yield block
            del waiting[:LINES_PER_BLOCK]
            first_line, offset = first_line + LINES_PER_BLOCK, block.end_offset
    if waiting:
        yield _block(waiting, first_line, offset)


def _block(lines: list[bytes], first_line: int, offset: int) -> Block:
    size = sum(map(len, lines)) + len(lines)
    if offset == 0 and lines[0].startswith(_UTF8_BOM):
        lines[0] = lines[0].removeprefix(_UTF8_BOM)
    return Block(first_line, lines, offset + size)


def _lines(stream: BinaryIO, *, at_start: bool) -> Iterator[list[bytes]]:
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        if at_start:
            _refuse_foreign(chunk)
            at_start = False
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_AT_MOST_BYTES:
            raise UsageError(
                f"a line is longer than {_LINE_AT_MOST_BYTES:,} bytes", remedy="give one addition a line, as `2,3`"
            )
        if lines:
            yield lines
    if rest:
        yield [rest]


def _refuse_foreign(head: bytes) -> None:
    for magic, (what, remedy) in _FOREIGN.items():
        if head.startswith(magic):
            raise UsageError(f"this is {what}, not UTF-8 text", remedy=remedy)
