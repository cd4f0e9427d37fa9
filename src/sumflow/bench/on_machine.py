"""A system of the bench's own on this machine: in a temporary directory, with ports of its own, gone at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="sumflow-bench-", ignore_cleanup_errors=True)
        home = Path(stack.enter_context(temporary))
        size = len(set(ports.assign(UpOptions.of(profile).topology(), 0).values()))
        options = UpOptions.of(profile, data_dir=home, port_base=preflight.free_block(size))
        stack.callback(facade.destroy, home)
        facade.up_detached(options, reporter)
        target = on_machine.target(home)
        adder, _ = target.logins()
        topic = target.topology.topics[0].name
        yield System(target.endpoints(), adder, target.bootstrap, topic)
