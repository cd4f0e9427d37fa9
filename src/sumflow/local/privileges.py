"""As which user a server runs: PostgreSQL refuses to run as root, so for root it runs as `nobody`.

The one capability that it keeps lets it reach its binaries and its data under directories that only root may enter.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from sumflow.errors import UsageError


def is_root() -> bool:
    """Tell whether this process runs as root."""
    return os.geteuid() == 0


def unprivileged() -> tuple[str, ...]:
    """Return the command prefix that runs a program as an ordinary user; raise UsageError if root has no `setpriv`."""
    if not is_root():
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise UsageError(
            "PostgreSQL does not run as root, and `setpriv` is not here to run it as another user",
            remedy="run SumFlow as a normal user, or install setpriv (package util-linux)",
        )
    nobody = pwd.getpwnam("nobody")
    keep = "+dac_override"
    identity = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    # Without this bit access(2) disregards the capability, and PostgreSQL asks it whether its own programs can run.
    honoured_by_access = "--securebits=+no_setuid_fixup"
    return (setpriv, *identity, honoured_by_access, f"--inh-caps={keep}", f"--ambient-caps={keep}", "--")


def give_away(path: Path) -> None:
    """Make the ordinary user the owner of a directory, where this process is root."""
    if is_root():
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
