"""A system of the bench's own on this machine: in a temporary directory, with ports of its own, gone at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sumflow import steps
from sumflow.bench.rounds import System
from sumflow.local import facade, ports, preflight
from sumflow.local.options import UpOptions
from sumflow.verify import on_machine


@contextmanager
def own_system(profile: str, reporter: steps.Reporter) -> Iterator[System]:
    """Bring a system up for the block; raise SumflowError if that fails.

    Args:
        profile: which profile of the manifests.
        reporter: hears the steps.
    """
    with tempfile.TemporaryDirectory(prefix="sumflow-bench-", ignore_cleanup_errors=True) as directory:
        base = preflight.free_block(ports.count(UpOptions.of(profile).topology()))
        options = UpOptions.of(profile, data_dir=Path(directory), port_base=base)
        with facade.temporary(options, reporter):
            target = on_machine.target(options.data_dir)
            adder, _ = target.logins()
            yield System(target.endpoints(), adder, target.bootstrap, target.topology.topics[0].name)
