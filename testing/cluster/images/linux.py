"""The layers that several images share: a small Linux, and this machine's Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from testing.cluster.images.layer import LIBRARIES, Layer

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"usr/local/lib/{PYTHON}/site-packages"
USERS = {"root": 0, "postgres": 70, "app": 1000, "kafka": 1001, "sumflow": 10001, "nobody": 65534}
LOADED_BY_NAME = (
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libresolv.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libdl.so.2",
)
WANTED_BY_WHEELS = ("libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libutil.so.1")
UNUSED = ("test", "tests", "idlelib", "tkinter", "_tkinter*", "turtledemo", "ensurepip", "lib2to3", "config-*")
ELSEWHERE = ("site-packages", "dist-packages")


def program(name: str) -> Path:
    """Return where this machine has a program; raise FileNotFoundError if it has none."""
    found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if not found:
        raise FileNotFoundError(f"this machine has no {name}")
    return Path(found).resolve()


@cache
def base() -> bytes:
    """Return a small Linux: this machine's C library, bash, and busybox for everything else."""
    layer = Layer()
    _directories(layer)
    _users(layer)
    own = ("busybox", "bash", "setpriv", "getent", "socat")
    for name in own:
        layer.file(program(name), f"usr/bin/{name}", 0o755)
    layer.libraries(*map(program, own))
    for library in LOADED_BY_NAME + WANTED_BY_WHEELS:
        if (source := Path("/", LIBRARIES, library)).exists():
            layer.file(source, f"{LIBRARIES}/{library}")
    for folder in ("usr/lib/locale/C.utf8", "usr/share/zoneinfo/Etc"):
        if Path("/", folder).is_dir():
            layer.tree(Path("/", folder), folder)
    applets = subprocess.run([program("busybox"), "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in sorted(set(applets) - set(own)):
        layer.link(f"usr/bin/{applet}", "busybox")
    return layer.content()


def _directories(layer: Layer) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        layer.directory(f"usr/{name}")
        layer.link(name, f"usr/{name}")
    for name in ("etc", "proc", "sys", "dev", "run", "var/lib", "var/run", "root", "opt", "home"):
        layer.directory(name)
    for name in ("tmp", "var/tmp"):
        layer.directory(name, 0o1777)


def _users(layer: Layer) -> None:
    layer.text("etc/passwd", "".join(f"{name}:x:{number}:{number}::/tmp:/bin/sh\n" for name, number in USERS.items()))
    layer.text("etc/group", "".join(f"{name}:x:{number}:\n" for name, number in USERS.items()))
    layer.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    layer.text("etc/os-release", 'ID=sumflow-test\nPRETTY_NAME="SumFlow test image (glibc and busybox)"\n')


@cache
def python() -> bytes:
    """Return the Python that runs this: interpreter, standard library and the libraries both load; no packages."""
    layer, prefix = Layer(), Path(sys.base_prefix)
    interpreter = prefix / "bin" / PYTHON
    if not interpreter.exists():
        interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": str(prefix), "base": str(prefix)}))
    layer.tree(library, f"usr/local/lib/{PYTHON}", skip=UNUSED + ELSEWHERE)
    layer.directory(SITE_PACKAGES)
    layer.file(interpreter, f"usr/local/bin/{PYTHON}", 0o755)
    for name in ("python3", "python"):
        layer.link(f"usr/local/bin/{name}", PYTHON)
    extensions = sorted(e for e in (library / "lib-dynload").glob("*.so") if not e.name.startswith("_tkinter"))
    layer.libraries(interpreter, *extensions)
    return layer.content()
