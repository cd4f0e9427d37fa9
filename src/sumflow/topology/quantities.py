"""Reads Kubernetes resource quantities exactly: 500m, 2, 0.5, 1Gi, 1e3.

The grammar is that of k8s.io/apimachinery/pkg/api/resource; floating point never takes part.
"""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,2})?", re.ASCII)
_DECIMAL = {"m": Fraction(1, 1000), "": Fraction(1)} | {
    suffix: Fraction(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)
}
_BINARY = {f"{suffix}i": Fraction(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
_FACTORS = _DECIMAL | _BINARY


def parse(text: str) -> Fraction:
    """Return the quantity in its base unit (cores, bytes); raise ValueError if it is none."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not a quantity such as 500m, 2 or 1Gi")
    number, suffix = match.group(1), match.group(2) or ""
    factor = _FACTORS.get(suffix) or Fraction(10) ** int(suffix[1:])
    return Fraction(number) * factor


def millicores(text: str) -> int:
    """Return CPU in thousandths of a core; raise ValueError if it is none or is finer than that."""
    value = parse(text) * 1000
    if value.denominator != 1 or value < 0:
        raise ValueError(f"`{text}` is not a CPU quantity: whole thousandths of a core, as 500m")
    return int(value)


def size_bytes(text: str) -> int:
    """Return memory or storage in bytes; raise ValueError if it is none or not whole."""
    value = parse(text)
    if value.denominator != 1 or value < 0:
        raise ValueError(f"`{text}` is not a size: whole bytes, as 512Mi")
    return int(value)
