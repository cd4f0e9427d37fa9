"""Reading logs as they grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sumflow.cli.logs import Tail, choose
from sumflow.errors import UsageError

FILES = {name: Path(name) for name in ("adder-0", "adder-1", "adder-postgres-0", "kafka-0", "supervisor")}


def test_a_component_is_chosen_with_all_its_replicas_and_nothing_else() -> None:
    """`adder` means every adder, and not the adder's database; a full name means itself."""
    assert list(choose(FILES, "adder")) == ["adder-0", "adder-1"]
    assert list(choose(FILES, "adder-1")) == ["adder-1"]
    assert list(choose(FILES, "supervisor")) == ["supervisor"]
    assert list(choose(FILES, None)) == list(FILES)
    with pytest.raises(UsageError, match="no component 'add'"):
        choose(FILES, "add")


def test_the_last_lines_come_first_and_then_what_is_written(tmp_path: Path) -> None:
    """After the last lines only finished new lines are returned, each once, whole."""
    log = tmp_path / "a.log"
    log.write_text("1\n2\n3\nhal")
    tail = Tail("a", log)
    assert list(tail.last(2)) == ["3"]
    with log.open("a") as file:
        file.write("f\n4\nnext")
    assert list(tail.fresh()) == ["half", "4"]
    assert list(tail.fresh()) == []


def test_a_log_that_was_cut_is_read_from_its_new_beginning(tmp_path: Path) -> None:
    """Rotation does not end the following."""
    log = tmp_path / "a.log"
    log.write_text("old line\n")
    tail = Tail("a", log)
    assert list(tail.last(1)) == ["old line"]
    log.write_text("new\n")
    assert list(tail.fresh()) == ["new"]


def test_bytes_that_are_no_text_are_shown_as_escapes(tmp_path: Path) -> None:
    """A log of any program can be read."""
    log = tmp_path / "a.log"
    log.write_bytes(b"\xff ok\r\n")
    assert list(Tail("a", log).last(1)) == ["\\xff ok"]
