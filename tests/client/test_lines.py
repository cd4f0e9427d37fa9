"""Blocks of lines: the identity of what an import sends."""

from __future__ import annotations

import io
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.client import lines
from sumflow.client.lines import LINES_PER_BLOCK, blocks
from sumflow.errors import UsageError


class Dripping(io.BytesIO):
    """Gives a stream in pieces of its own choice, as a pipe does."""

    def __init__(self, data: bytes, piece: int) -> None:
        super().__init__(data)
        self.piece = piece

    def read(self, size: int | None = -1, /) -> bytes:
        """Give less than was asked for."""
        return super().read(self.piece)


@given(st.lists(st.binary(max_size=6).filter(lambda line: b"\n" not in line), max_size=40), st.integers(1, 50))
def test_blocks_do_not_depend_on_how_the_bytes_arrive(texts: list[bytes], piece: int) -> None:
    """The same bytes give the same blocks in one read and in many."""
    data = b"".join(line + b"\n" for line in texts)
    whole = list(blocks(io.BytesIO(b"#\n" + data)))
    assert list(blocks(Dripping(b"#\n" + data, piece))) == whole
    assert [line for block in whole for line in block.lines] == [b"#", *texts]


def test_every_block_but_the_last_is_full_and_says_where_it_ends() -> None:
    """A reader that starts at a block's end sees the following blocks as the first reader did."""
    data = b"".join(b"%d\n" % n for n in range(2 * LINES_PER_BLOCK + 5))
    all_blocks = list(blocks(io.BytesIO(data)))
    assert [(b.first_line, len(b.lines)) for b in all_blocks] == [
        (1, LINES_PER_BLOCK),
        (LINES_PER_BLOCK + 1, LINES_PER_BLOCK),
        (2 * LINES_PER_BLOCK + 1, 5),
    ]
    rest = io.BytesIO(data)
    rest.seek(all_blocks[0].end_offset)
    again = list(blocks(rest, first_line=LINES_PER_BLOCK + 1, offset=all_blocks[0].end_offset))
    assert again == all_blocks[1:]
    assert all_blocks[-1].end_offset == len(data)


def test_the_block_size_is_part_of_every_import_id() -> None:
    """Changing it would make interrupted imports count twice, so a test holds it."""
    assert LINES_PER_BLOCK == 4_000


def test_a_bom_is_no_part_of_the_first_line() -> None:
    """A file written by a spreadsheet begins with a byte order mark; its offset still counts it."""
    (block,) = blocks(io.BytesIO(b"\xef\xbb\xbf1,2\n"))
    assert block.lines == [b"1,2"]
    assert block.end_offset == 7


def test_a_last_line_without_line_end_counts() -> None:
    """The last line is a line, ended or not."""
    (block,) = blocks(io.BytesIO(b"1\n2"))
    assert block.lines == [b"1", b"2"]


@pytest.mark.parametrize(
    ("head", "what"), [(b"\xff\xfe1\x00", "UTF-16"), (b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "spreadsheet")]
)
def test_what_is_no_text_is_refused_with_the_command_that_makes_it_text(head: bytes, what: str) -> None:
    """A wrong kind of file is said to be one, instead of a million rejected lines."""
    with pytest.raises(UsageError, match=what) as caught:
        list(blocks(io.BytesIO(head * 10)))
    assert caught.value.remedy


def test_memory_is_bounded_when_no_line_ever_ends() -> None:
    """A line of more than a mebibyte is refused before it fills the memory."""

    class Endless:
        given = 0

        def read(self, size: int) -> bytes:
            self.given += size
            assert self.given < 8 * lines._LINE_AT_MOST_BYTES
            return b"1" * size

    with pytest.raises(UsageError, match="longer"):
        list(blocks(cast("io.BytesIO", Endless())))
