"""The fuzzer by hand: a million inputs, or one that broke a rule once more."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz import runner
from tests.fuzz.targets import TARGETS

PORT_SHARE = 50
"""One input in so many goes over the network to a real process."""


def main() -> int:
    """Read the arguments and run; return 1 if a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-ports", action="store_true", help="start no servers: only what is read in this process")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try one input of the corpus")
    given = parser.parse_args()
    if given.replay is not None:
        return _replay(given.replay)
    on_ports = 0 if given.no_ports else given.inputs // PORT_SHARE
    return _read(given.inputs - on_ports, given.seed, given.processes) | _send(on_ports, given.seed)


def _read(inputs: int, seed: int, processes: int) -> int:
    began, done, found = time.monotonic(), 0, 0
    for tried, findings in runner.run(inputs, seed, processes):
        done += tried
        for finding in findings[:3]:
            _say(f"{finding.save()}\n{finding.reason}")
        found += len(findings)
    took_s = time.monotonic() - began
    _say(f"{done:,} inputs, {found} broke a rule, {took_s:.1f} s, {done / took_s:,.0f}/s on {processes} processes")
    return bool(found)


def _send(inputs: int, seed: int) -> int:
    if not inputs:
        return 0
    began = time.monotonic()
    os.environ |= {"SUMFLOW_FUZZ_PORT_INPUTS": str(inputs // 2), "SUMFLOW_FUZZ_SEED": str(seed)}
    code = pytest.main(["-q", "-rP", "--show-capture=stdout", str(Path(__file__).parent / "test_ports.py")])
    _say(f"{inputs:,} inputs to the ports of real processes, {time.monotonic() - began:.1f} s")
    return int(code)


def _replay(file: Path) -> int:
    target = next(target for target in TARGETS if file.name.startswith(f"{target.name}-"))
    for case in runner.regressions(target.name):
        if finding := runner.outcome(target, case):
            _say(finding.reason)
            return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
