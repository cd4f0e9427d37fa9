"""A running SumFlow of a test's own: its directory, its ports, and the commands of a person."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sumflow.chaos.doors import NetworkDoors
from sumflow.chaos.load import Load
from sumflow.client.endpoints import Endpoints
from sumflow.settings import Address


def eventually(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    """Wait until the condition holds; fail saying what was waited for and what was last seen."""
    deadline = time.monotonic() + within_s
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {within_s:.0f} s, last seen {seen!r}"
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class System:
    """One system: everything it does goes through `sumflow`."""

    data_dir: Path
    port_base: int

    def run(self, *args: str, code: int = 0, stdin: str | None = None) -> str:
        """Run a command, insist on its exit code, return its standard output."""
        done = self._run(*args, stdin=stdin)
        assert done.returncode == code, f"sumflow {' '.join(args)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def fails(self, *args: str, code: int = 1) -> str:
        """Run a command that must fail, insist on its exit code, return its standard error."""
        done = self._run(*args)
        assert done.returncode == code, f"sumflow {' '.join(args)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr

    def json(self, *args: str, code: int = 0) -> Any:
        """Run a command with --json and return what it says."""
        return json.loads(self.run(*args, "--json", code=code))

    def up(self, profile: str) -> None:
        """Start the system and leave it running."""
        self.run("up", "--profile", profile, "--detach", "--port-base", str(self.port_base))

    def load(self) -> Load:
        """Return clients that keep their own books, each addition being 1; they begin with its `with` block."""
        return Load(NetworkDoors(Endpoints(Address("127.0.0.1", self.port_base), "")))

    def total(self) -> int:
        """Read the total."""
        return int(self.run("total"))

    def components(self) -> dict[str, dict[str, Any]]:
        """Return what `status` says of each component, by name."""
        return {c["name"]: c for c in self._status()["components"]}

    def healthy(self) -> bool:
        """Tell whether `status` calls the system healthy."""
        return bool(self._status()["healthy"])

    def kill(self, component: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a component's process; return its pid."""
        pid = int(self.components()[component]["pid"])
        os.kill(pid, number)
        return pid

    def processes(self) -> list[psutil.Process]:
        """Return every living process that carries this system's mark or its directory in its arguments."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            words = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
            if any(str(self.data_dir) in word for word in words) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def _status(self) -> Any:
        done = self._run("status", "--json")
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return json.loads(done.stdout)

    def _run(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sumflow", *args]
        environment = {**os.environ, "SUMFLOW_DATA_DIR": str(self.data_dir)}
        return subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=180, check=False
        )
