"""Adders and relays as processes of their own, to be killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import httpx
import msgspec

from sumflow.settings import AdderSettings, RelaySettings, ServiceSettings, child_environment
from tests.adder.support import until


@contextlib.contextmanager
def process(settings: ServiceSettings, log: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A running adder or relay, by the kind of its settings; killed at the end if it still runs. Logs go to `log`."""
    command = {AdderSettings: "adder", RelaySettings: "relay"}[type(settings)]
    declared = {
        field.encode_name: str(getattr(settings, field.name)) for field in msgspec.structs.fields(type(settings))
    }
    command_line, environment = [sys.executable, "-m", "sumflow", command], child_environment(declared)
    with subprocess.Popen(command_line, env=environment, stderr=log) as running:
        try:
            yield running
        finally:
            running.kill()


async def ready(settings: ServiceSettings) -> None:
    """Wait until a process says that it is ready."""

    def is_ready() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://{settings.metrics_listen}/readyz").status_code == 200
        return False

    await until(is_ready)
