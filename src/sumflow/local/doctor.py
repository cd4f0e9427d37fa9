"""What would stop an `up` on this machine, each finding with its remedy. Nothing is changed and nothing is fetched."""

from __future__ import annotations

import platform
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import psutil

from sumflow.errors import SumflowError
from sumflow.local import archive, datadir, jars, java, jvm, ports, postgres, preflight, privileges
from sumflow.local.datadir import DataDir
from sumflow.local.findings import Finding
from sumflow.local.options import UpOptions
from sumflow.settings import CommandSettings, load
from sumflow.topology.model import Topology

_MEMORY: Final = {1: 1 << 30, 3: 5 << 29}
"""Brokers to the memory in bytes that a profile with so many is allowed to take."""
_LEAST_FILES: Final = 1024


def examine(options: UpOptions) -> list[Finding]:
    """Look at everything an `up` with these options needs."""
    found = [_python(), *_guarded("data directory", lambda: _data_dir(options)), _disk(options)]
    found += _guarded("PostgreSQL", _postgres)
    found += _guarded("privileges", _privileges)
    found += _guarded("Java", _java)
    found.append(_open_files())
    topology: list[Topology] = []
    found += _guarded("manifests", lambda: _manifests(options, topology))
    for declared in topology:
        found += [_memory(declared), *_guarded("downloads", partial(_downloads, options, declared))]
        found += _ports(options, declared)
    return found


def _guarded(subject: str, look: Callable[[], Finding]) -> list[Finding]:
    """Turn an error with a remedy into a finding."""
    try:
        return [look()]
    except SumflowError as error:
        seen = error.in_a_line
        return [Finding(subject, False, seen, error.remedy)]


def _python() -> Finding:
    version = platform.python_version()
    return Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def _data_dir(options: UpOptions) -> Finding:
    home = DataDir(options.data_dir)
    if not home.path.exists():
        return Finding("data directory", True, f"{home.path} will be created")
    home.require_usable()
    mark = home.mark()
    if mark and mark.profile != options.profile:
        remedy = "`sumflow destroy`, or another --data-dir"
        return Finding("data directory", False, f"{home.path} holds the profile `{mark.profile}`", remedy)
    return Finding("data directory", True, f"{home.path}, profile `{mark.profile}`" if mark else f"{home.path}, empty")


def _disk(options: UpOptions) -> Finding:
    place = next(p for p in (options.data_dir, *options.data_dir.parents) if p.exists())
    free = shutil.disk_usage(place).free
    remedy = "free some space, or choose another disk with --data-dir"
    return Finding("disk", free >= datadir.LEAST_FREE, f"{free >> 20} MiB free at {place}", remedy)


def _postgres() -> Finding:
    return Finding("PostgreSQL", True, postgres.binary("postgres"))


def _privileges() -> Finding:
    prefix = privileges.unprivileged()
    return Finding(
        "privileges", True, f"root; PostgreSQL runs as nobody, by {prefix[0]}" if prefix else "a normal user"
    )


def _java() -> Finding:
    found = java.find(load(CommandSettings))
    return Finding("Java", True, f"{found.version} ({found.origin}): {found.executable}")


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= _LEAST_FILES
    return Finding("open files", enough, f"{soft} a process", f"`ulimit -n {_LEAST_FILES}`")


def _manifests(options: UpOptions, found: list[Topology]) -> Finding:
    declared = options.topology()
    found.append(declared)
    kafka = declared.kafka
    seen = f"profile `{declared.profile}`: Kafka {kafka.version} with {kafka.brokers} broker(s)"
    return Finding("manifests", True, seen)


def _memory(declared: Topology) -> Finding:
    needed = _MEMORY[3] if declared.kafka.brokers > 1 else _MEMORY[1]
    free = psutil.virtual_memory().available
    seen = f"{free >> 20} MiB available, at most {needed >> 20} needed"
    return Finding("memory", free >= needed, seen, "close something, or use the profile `dev`")


def _downloads(options: UpOptions, declared: Topology) -> Finding:
    lock = jars.load_lock(declared.kafka.version)
    absent = jars.missing(options.cache_dir, lock)
    if absent:
        size = sum(jar.size for jar in absent) >> 20
        return Finding("downloads", True, f"{len(absent)} jars ({size} MiB) will be downloaded; that needs a network")
    machine = jvm.Jvm(java.find(load(CommandSettings)), jars.paths(options.cache_dir, lock))
    archived = archive.path(options.cache_dir, machine, declared.kafka).exists()
    tail = "class archive made" if archived else "the class archive will be made"
    return Finding(
        "downloads", True, f"Kafka {lock.kafka} is complete in {options.cache_dir}; {tail}; no network needed"
    )


def _ports(options: UpOptions, declared: Topology) -> Iterator[Finding]:
    """Look at the ports, unless the system itself holds them."""
    home = DataDir(options.data_dir)
    if home.supervisor() is not None:
        yield Finding("ports", True, "this system runs and has them")
        return
    mark = home.mark() if home.path.exists() else None
    base = options.port_base if options.port_base is not None or mark is None else mark.port_base
    assigned = ports.assign(declared, base)
    refused = [(key, port) for key, port in assigned.items() if not preflight.is_free(port)]
    if refused:
        first = preflight.taken(*refused[0])
        more = f"; so are {len(refused) - 1} more of its ports" if len(refused) > 1 else ""
        yield Finding("ports", False, first.what + more, first.remedy)
        return
    numbers = sorted(set(assigned.values()))
    yield Finding("ports", True, f"{len(numbers)} ports from {numbers[0]} to {numbers[-1]} are free")
