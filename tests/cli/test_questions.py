"""What a command asks before it changes what cannot be changed back: the system is named, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from sumflow.cli import backup, clusters, rebuild

CLUSTER = SimpleNamespace(context="staging", server="https://10.0.0.1")
ASKING = [
    pytest.param(backup, lambda home: backup._confirmed("adder", "noon", home), id="restore"),
    pytest.param(rebuild, rebuild._confirmed, id="rebuild"),
]


@pytest.mark.parametrize(("module", "ask"), ASKING)
@pytest.mark.parametrize(("on", "named"), [("kubernetes", "on staging (https://10.0.0.1)"), ("machine", "in /srv/b")])
def test_the_question_names_the_system(
    module: object, ask: Callable[[Path], bool], on: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster by its context and its address, as for `destroy` and `chaos`; one machine's by its directory."""
    asked: list[str] = []
    monkeypatch.setattr(module, "confirmed", lambda question, *_: asked.append(question))
    monkeypatch.setattr(clusters, "connect", lambda _: CLUSTER)
    with click.Context(click.Command("x")) as context:
        context.meta["sumflow.on"] = on
        ask(Path("/srv/b"))
    assert named in asked[0]
