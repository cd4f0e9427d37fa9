"""Turns good inputs into bad ones, and into good ones that nobody thought of; the same seed gives the same inputs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

Case = tuple[bytes, ...]
"""One input: as many parts as its target takes."""

NUMBERS: Final = tuple(
    str(sign * (1 << bits) + more).encode()
    for bits in (0, 7, 31, 32, 53, 62, 63, 64)
    for sign in (1, -1)
    for more in (-1, 0, 1)
)
TOKENS: Final = (
    *NUMBERS,
    *(b"null true false NaN Infinity -0 1.0 1e2 0x1 +1 1_000".split()),
    *(b'{ } [ ] : , ; " \\ \\u0000 \\ud800 \\u00e9'.split()),
    *(b"\n", b"\r\n", b"\t", b" ", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xc3\xa9", b"\xed\xa0\x80", "\u0663".encode()),
    *(b"%00 %ff %C3%A9 & = + # ? position= wait= limit= after= 2s 500ms 30.0001s".split()),
    *(b"9999-12-31T23:59:59Z 0001-01-01T00:00:00+23:59 2026-02-30T00:00:00Z".split()),
    b"a" * 200,
)

Mutation = Callable[[random.Random, bytearray], None]


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _replace(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def _remove(chance: random.Random, data: bytearray) -> None:
    start = chance.randrange(len(data) + 1)
    del data[start : start + chance.randrange(1, 12)]


def _repeat(chance: random.Random, data: bytearray) -> None:
    start = chance.randrange(len(data) + 1)
    part = data[start : start + chance.randrange(1, 40)]
    data[start:start] = part * chance.randrange(1, 4)


def _insert(chance: random.Random, data: bytearray) -> None:
    start = chance.randrange(len(data) + 1)
    data[start:start] = chance.choice(TOKENS)


def _overwrite(chance: random.Random, data: bytearray) -> None:
    token = chance.choice(TOKENS)
    start = chance.randrange(len(data) + 1)
    data[start : start + chance.randrange(len(token) + 1)] = token


def _number(chance: random.Random, data: bytearray) -> None:
    """Put another number in the place of one."""
    digits = [i for i, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if not digits:
        return
    start = end = chance.choice(digits)
    while start > 0 and data[start - 1] in b"0123456789-":
        start -= 1
    while end < len(data) and 0x30 <= data[end] <= 0x39:
        end += 1
    data[start:end] = chance.choice(NUMBERS)


MUTATIONS: Final[tuple[Mutation, ...]] = (_flip, _replace, _remove, _repeat, _insert, _overwrite, _number, _number)


@dataclass(frozen=True, slots=True)
class Mutator:
    """Makes inputs from a corpus.

    Args:
        corpus: good inputs, and bad ones of before.
        chance: decides.
    """

    corpus: Sequence[Case]
    chance: random.Random

    def next(self) -> Case:
        """Return the next input: one of the corpus with a few mutations, or a splice of two."""
        case = [bytearray(part) for part in self.chance.choice(self.corpus)]
        for _ in range(self.chance.choice((0, 1, 1, 1, 2, 3, 8))):
            part = self.chance.choice(case)
            self.chance.choice(MUTATIONS)(self.chance, part)
        if self.chance.random() < 0.1:
            given = self.chance.choice(self.corpus)
            index = self.chance.randrange(min(len(case), len(given)))
            other = given[index]
            cut = self.chance.randrange(len(case[index]) + 1)
            case[index] = case[index][:cut] + other[self.chance.randrange(len(other) + 1) :]
        return tuple(map(bytes, case))
