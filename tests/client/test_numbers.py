"""Additions out of lines of text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumflow.client import numbers
from sumflow.client.lines import Block
from sumflow.client.numbers import Batch, parse, parse_number
from sumflow.errors import UsageError
from sumflow.sums.numbers import INT64_MAX, INT64_MIN

INT64 = st.integers(INT64_MIN, INT64_MAX)


def read(text: str | bytes, *, first_line: int = 1, header_open: bool = True) -> Batch:
    """Parse a text as one block."""
    raw = text if isinstance(text, bytes) else text.encode()
    return parse(Block(first_line, raw.split(b"\n"), len(raw)), header_open=header_open)


@pytest.mark.parametrize(
    "text", ["2,3", "2;3", "2\t3", "2 3", " 2 , 3 ", '"2","3"', "+2,3", "2,3\r", "2,03", "2,3 # why"]
)
def test_every_usual_punctuation_gives_the_same_addition(text: str) -> None:
    """Comma, semicolon, tab, blank, quotes, carriage return and a comment do not change what is added."""
    batch = read(text)
    assert (batch.x, batch.y, batch.rejections) == ([2], [3], [])


def test_a_single_column_is_added_to_zero() -> None:
    """`7` means 7 + 0, in a plain block and in one with a header alike."""
    assert (read("7\n8").x, read("7\n8").y) == ([7, 8], [0, 0])
    assert (read("residents\n7\n8").x, read("residents\n7\n8").y) == ([7, 8], [0, 0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.5,2", "'1.5' is not an integer"),
        ("1_000,2", "'1_000' is not an integer"),
        ("1e3", "'1e3' is not an integer"),
        ("0x10", "'0x10' is not an integer"),
        ("٣,4", "'٣' is not an integer"),
        ("1,2,3", "3 columns, not one or two"),
        ("1,", "a column is empty"),
        (",1", "a column is empty"),
        ("9223372036854775808,0", "9223372036854775808 does not fit 64 bits"),
        ("-9223372036854775809", "-9223372036854775809 does not fit 64 bits"),
        ("9" * 5000, "…"),
        ("1,NaN", "'NaN' is not an integer"),
    ],
)
def test_what_is_no_addition_is_rejected_with_its_line_and_reason(text: str, reason: str) -> None:
    """A wrong line is rejected by number and reason, and its neighbours are counted."""
    batch = read(f"1,1\n{text}\n2,2", first_line=11)
    assert (batch.x, batch.y, list(batch.line_numbers)) == ([1, 2], [1, 2], [11, 13])
    (rejection,) = batch.rejections
    assert rejection.line == 12
    assert reason in rejection.reason


def test_bytes_that_are_no_utf8_are_rejected_and_shown_as_escapes() -> None:
    """A broken byte spoils its line only."""
    batch = read(b"1,1\n\xff\xfe\n2,2")
    assert batch.x == [1, 2]
    assert batch.rejections[0].text == "\\xff\\xfe"


def test_the_first_line_with_content_may_be_a_header_and_no_other() -> None:
    """Names of columns are skipped once, after comments; later the same text is a mistake."""
    batch = read("# census\n\nx,y\n1,2\nx,y")
    assert batch.x == [1]
    assert [rejection.line for rejection in batch.rejections] == [5]


def test_a_header_may_follow_a_block_of_comments_only() -> None:
    """Whether a header may still come is carried from block to block."""
    comments = read("# a\n\n# b")
    assert comments.header_open
    assert not comments.x
    assert read("x\n1", header_open=True).x == [1]
    assert [r.line for r in read("x\n1", header_open=False).rejections] == [1]


@pytest.mark.parametrize("text", ["1.5,2", "-x,1", ".5", "12a,b"])
def test_a_wrong_first_number_is_no_header(text: str) -> None:
    """A first line that begins like a number is rejected, never silently skipped."""
    batch = read(f"{text}\n1,2")
    assert [r.line for r in batch.rejections] == [1] or text == "-x,1"


@given(st.lists(st.tuples(INT64, INT64), min_size=1), st.sampled_from([",", ";", "\t", " ", " , "]))
def test_the_fast_way_reads_what_the_slow_way_reads(pairs: list[tuple[int, int]], gap: str) -> None:
    """A block read as a whole and the same block read line by line are the same additions."""
    text = "\n".join(f"{x}{gap}{y}" for x, y in pairs)
    block = Block(1, text.encode().split(b"\n"), len(text))
    fast, slow = parse(block, header_open=False), numbers._parse_lines(block, header_open=False)
    assert (fast.x, fast.y, list(fast.line_numbers)) == (slow.x, slow.y, list(slow.line_numbers))
    assert list(zip(fast.x, fast.y, strict=True)) == pairs
    assert not fast.rejections
    assert not slow.rejections


@given(st.text(alphabet='0123456789,; \t+-_.#\r"x', max_size=60).map(lambda t: t.replace("\n", "")))
def test_no_text_is_read_one_way_here_and_another_way_there(text: str) -> None:
    """Whatever stands in a line, the fast way never accepts what the slow way reads differently."""
    block = Block(1, [text.encode()], len(text))
    fast, slow = parse(block, header_open=False), numbers._parse_lines(block, header_open=False)
    assert (fast.x, fast.y, fast.rejections) == (slow.x, slow.y, slow.rejections)


@given(INT64)
def test_every_64_bit_number_is_read_exactly(value: int) -> None:
    """The text of a 64-bit integer is that integer."""
    assert parse_number(str(value)) == value


def test_the_limits_are_told_to_who_exceeds_them() -> None:
    """The message names both bounds."""
    with pytest.raises(UsageError) as caught:
        parse_number(str(INT64_MAX + 1))
    assert "9,223,372,036,854,775,807" in caught.value.why
