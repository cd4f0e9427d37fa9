"""Memory (PSS) of everything that the cluster runs, by command: python -m testing.cluster.memory CLUSTER_HOME."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import psutil


def measure(recorded: Path) -> tuple[Counter[str], Counter[str]]:
    """Return bytes and number of processes by command: those recorded in the file, and all below them."""
    size: Counter[str] = Counter()
    count: Counter[str] = Counter()
    roots = [int(line.split()[0]) for line in recorded.read_text().splitlines()]
    members: dict[int, psutil.Process] = {}
    for root in filter(psutil.pid_exists, roots):
        process = psutil.Process(root)
        members |= {p.pid: p for p in [process, *process.children(recursive=True)]}
    for process in members.values():
        try:
            size[process.name()] += process.memory_full_info().pss
            count[process.name()] += 1
        except psutil.Error:
            continue  # ended meanwhile
    return size, count


def main(home: Path) -> None:
    """Print a table, the largest first."""
    size, count = measure(home / "run/pids")
    rows = [f"{size[name] / 2**20:8.1f} MiB  x{count[name]:<3} {name}" for name, _ in size.most_common()]
    sys.stdout.write("\n".join([*rows, f"{size.total() / 2**20:8.1f} MiB  in all"]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
