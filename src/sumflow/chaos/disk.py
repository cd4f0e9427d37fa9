"""A small file system of a run's own, which can be full without taking a byte from anybody else.

It is a tmpfs: to be full, it is shrunk to what is in it; to have room again, it is given its size back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sumflow.errors import SumflowError

SIZE: Final = 3 << 30
"""Its limit in bytes; memory is only used for what is in it. A system wants a gigabyte to be free when it starts."""
_WITHIN_S: Final = 10.0
_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """The file system, mounted at `path`."""

    path: Path

    def fill(self) -> None:
        """Leave no room; raise SumflowError if what is in it grows faster than that can be said."""
        for _ in range(_ATTEMPTS):
            usage = os.statvfs(self.path)
            used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
            done = _run("mount", "-o", f"remount,size={used}", str(self.path))
            if done.returncode == 0:
                return
        raise SumflowError(f"{self.path} could not be filled", why=done.stderr.strip())

    def free(self) -> None:
        """Give its room back; raise SumflowError if that is refused."""
        done = _run("mount", "-o", f"remount,size={SIZE}", str(self.path))
        if done.returncode:
            raise SumflowError(f"{self.path} could not be given its room back", why=done.stderr.strip())


@contextmanager
def mounted(path: Path) -> Iterator[SmallDisk]:
    """Mount one on an empty directory, and take it away at the end; raise SumflowError where that is not permitted."""
    done = _run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "sumflow-chaos", str(path))
    if done.returncode:
        raise SumflowError("a file system cannot be mounted", why=done.stderr.strip())
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: whoever still looks into it must not keep it from being taken away.
        _run("umount", "--lazy", str(path))


def impossible(path: Path) -> str:
    """Say why no file system can be mounted on an empty directory; nothing if one can."""
    if shutil.which("mount") is None or os.geteuid():
        return "only root can mount a file system of its own"
    try:
        with mounted(path):
            return ""
    except SumflowError as error:
        return error.in_a_line


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
