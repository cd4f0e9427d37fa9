"""YAML is read with its lines, and what two parsers would read differently is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sumflow.errors import ManifestError
from sumflow.topology.reading import AMBIGUOUS, MAX_DEPTH, Field, read_file, read_text


def test_every_field_knows_its_line() -> None:
    """Keys, items, flow style and later documents all know the line they are on."""
    text = "one: 1\ntwo:\n  three: [a,\n    b]\n---\n\nfour: 4\n"
    first, second = read_text(text, "f.yaml")
    assert isinstance(first.value, dict)
    assert isinstance(second.value, dict)
    two = first.value["two"]
    assert isinstance(two.value, dict)
    three = two.value["three"]
    assert isinstance(three.value, list)
    lines = [first.value["one"], two, three, *three.value, second.value["four"]]
    assert [field.source.line for field in lines] == [1, 2, 3, 3, 4, 7]
    assert first.source.file == "f.yaml"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\na: 2\n", 2, "`a` is said twice"),
        ("a: &x 1\nb: *x\n", 2, "anchors and aliases"),
        ("a: 1\nb: yes\n", 2, "`yes` is a boolean to some"),
        ("a: 0755\n", 1, "`0755` is a number to some"),
        ("a: 1_000\n", 1, "`1_000` is a number to some"),
        ("a: 12:30:45\n", 1, "`12:30:45` is a number to some"),
        ("a: 1e3\n", 1, "`1e3` is a number to some"),
        ("a: .inf\n", 1, "`.inf` is a number to some"),
        ("a: !!binary aGk=\n", 1, "not used in manifests"),
        ("a: !own x\n", 1, "cannot be read"),
        ("a:\n  <<: {b: 1}\n", 2, "a key must be text"),
        ("a: 1\non: 2\n", 2, "a key must be text"),
        ("a: 1\ny: 2\n", 2, "`y` is a boolean to some"),
        ("true: 1\n", 1, "a key must be text"),
        ("? [a]\n: 1\n", 1, "a key must be text"),
        ("a: 1\n7: 2\n", 2, "a key must be text"),
        ("a: [1\nb: 2\n", 2, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: \x00\n", 1, "not valid YAML"),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), 1, "nested deeper"),
    ],
)
def test_unclear_yaml_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    """Nothing that kubectl might read otherwise, and nothing broken, gets through."""
    with pytest.raises(ManifestError, match=said) as caught:
        read_text(text, "f.yaml")
    assert (caught.value.file, caught.value.line) == ("f.yaml", line)


def test_quoted_words_are_text() -> None:
    """Quotes are the remedy that the refusals recommend, and they work."""
    (read,) = read_text("""{a: "yes", b: '0755', c: "1e3", d: 2026-01-02}""", "f.yaml")
    assert read.plain() == {"a": "yes", "b": "0755", "c": "1e3", "d": "2026-01-02"}


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file, and one that is not text, end in an error with the file's name."""
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    for name in ("missing.yaml", "binary.yaml"):
        with pytest.raises(ManifestError, match="cannot be read") as caught:
            read_file(tmp_path / name)
        assert caught.value.file.endswith(name)


def _is_clear(text: str) -> bool:
    """Leave out what the library writes without quotes and the reader refuses for good reasons."""
    return text.lower() not in AMBIGUOUS and not re.fullmatch(r"[-+]?\d+\.?\d*[eE][-+]?\d+", text)


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=9).filter(_is_clear)
_SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | _TEXTS
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3))


@settings(deadline=None)
@given(st.dictionaries(_TEXTS, _VALUES, max_size=4))
def test_what_is_written_is_what_is_read(value: dict[str, object]) -> None:
    """Any value that a YAML library writes is read back as it was, in block and in flow style."""
    for flow in (False, True):
        assert _read(yaml.safe_dump(value, default_flow_style=flow)).plain() == value


def _read(text: str) -> Field:
    (read,) = read_text(text, "f.yaml")
    return read
