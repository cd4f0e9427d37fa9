"""A process under attack: that it lives, how much memory it takes, and that others are served meanwhile."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psutil

from sumflow import steps, topology
from sumflow.settings import Address
from tests.limits.bystander import Bystander
from tests.servers import await_ready

ANSWERS: Final = 30
SAMPLE_S: Final = 0.05
"""How often memory is looked at."""
STILL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked.

    Args:
        popen: the process.
        address: the port that is attacked.
        ask: one question of a well-behaved client, which raises unless the answer is right.
        memory_limit: what the manifests let the process have, in bytes.
    """

    popen: subprocess.Popen[bytes]
    address: Address
    ask: Callable[[], None]
    memory_limit: int

    def endure(self, attack: Callable[[], object], name: str) -> None:
        """Attack; the process lives, keeps within its memory, and goes on to serve others, also during the attack."""
        with Bystander(self.ask) as quiet:
            quiet.await_answers(ANSWERS)
        with Bystander(self.ask) as beside, peak_memory(self.popen.pid) as memory:
            attack()
            beside.await_answers(ANSWERS)
        assert self.popen.poll() is None, "the process ended"
        assert memory.peak < self.memory_limit, f"{memory.peak:,} bytes of {self.memory_limit:,}"
        told = f"median beside {beside.median_ms():.1f} ms, before {quiet.median_ms():.1f} ms"
        print(f"{name}: {told}; memory {memory.first >> 20} MiB, at most {memory.peak >> 20} MiB")  # noqa: T201


@dataclass(slots=True)
class Memory:
    """Resident memory of a process in bytes."""

    first: int
    peak: int


@contextmanager
def peak_memory(pid: int) -> Iterator[Memory]:
    """Watch a process's resident memory."""
    process = psutil.Process(pid)
    memory = Memory(process.memory_info().rss, 0)
    ending = threading.Event()

    def sample() -> None:
        while process.is_running() and not ending.wait(SAMPLE_S):
            memory.peak = max(memory.peak, process.memory_info().rss)

    watching = threading.Thread(target=sample, daemon=True)
    watching.start()
    try:
        yield memory
    finally:
        ending.set()
        watching.join()
        memory.peak = max(memory.peak, process.memory_info().rss)


def memory_limit(container: str) -> int:
    """Return what the manifests let a container have, in bytes."""
    found = [c for w in topology.load().services for c in w.containers if c.name == container]
    limit = found[0].resources.memory_limit
    assert limit is not None
    return limit


def await_still(measure: Callable[[], float]) -> None:
    """Wait until something has stopped moving for a second: what could be filled is full."""
    seen = [(0.0, -1.0)]

    def is_still() -> steps.Readiness:
        now_s, value = time.monotonic(), measure()
        if value != seen[-1][1]:
            seen.append((now_s, value))
        return steps.Ready() if now_s - seen[-1][0] > STILL_S else steps.NotYet(f"it is {value} now")

    await_ready("stillness", is_still)
