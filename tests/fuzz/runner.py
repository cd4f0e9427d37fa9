"""Runs targets on many inputs, on as many processes as are asked for, and keeps the inputs that break a rule."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.fuzz.mutation import Case, Mutator
from tests.fuzz.targets import TARGETS, Target

CHUNK: Final = 10_000
CORPUS: Final = Path(__file__).parent / "corpus"
"""Inputs that broke a rule once; they are tried in every run, and inputs are made from them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that broke a rule."""

    target: str
    case: Case
    reason: str

    def save(self) -> Path:
        """Add the input to the corpus of regressions; return its file."""
        text = json.dumps({"target": self.target, "case": [part.hex() for part in self.case]}, indent=1) + "\n"
        name = f"{self.target}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}.json"
        path = CORPUS / name
        path.write_text(text, encoding="utf-8")
        return path


def regressions(target: str) -> list[Case]:
    """Return the inputs of a target that broke a rule once."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CORPUS.glob(f"{target}-*.json"))]
    return [tuple(map(bytes.fromhex, entry["case"])) for entry in kept if entry["target"] == target]


def outcome(target: Target, case: Case) -> Finding | None:
    """Try one input."""
    try:
        target.check(case)
    except Exception:  # noqa: BLE001, whatever it is, it is what is looked for
        return Finding(target.name, case, traceback.format_exc(limit=-3))
    return None


def run_chunk(name: str, seed: int, count: int) -> list[Finding]:
    """Try so many inputs of a target; the same seed gives the same ones."""

    target = next(target for target in TARGETS if target.name == name)
    mutator = Mutator([*target.corpus, *regressions(name)], random.Random(f"{name} {seed}"))  # noqa: S311
    return run_cases(target, (mutator.next() for _ in range(count)))


def run_cases(target: Target, cases: Iterable[Case]) -> list[Finding]:
    """Try inputs; return those that broke a rule."""

    async def within_a_loop() -> list[Finding]:  # requests have futures of the running loop
        return [finding for case in cases if (finding := outcome(target, case))]

    return asyncio.run(within_a_loop())


def run(inputs: int, first_seed: int, processes: int) -> Iterator[tuple[int, list[Finding]]]:
    """Try inputs of all targets in turn; yield after each chunk how many it had, and what broke a rule."""
    size = min(CHUNK, max(inputs // len(TARGETS), 1))
    work = [(TARGETS[i % len(TARGETS)].name, first_seed + i) for i in range(-(-inputs // size))]
    if processes == 1:
        yield from ((size, run_chunk(name, seed, size)) for name, seed in work)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        names, seeds = zip(*work, strict=True)
        yield from ((size, found) for found in pool.map(run_chunk, names, seeds, [size] * len(work)))
