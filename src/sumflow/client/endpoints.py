"""Where a running pipeline is spoken to; whoever runs it (this machine, a port-forward) says so with this value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sumflow.settings import Address

ADDER: Final = "adder.sumflow.svc.cluster.local:50051"
TOTALIZER: Final = "totalizer.sumflow.svc.cluster.local:8080"
"""The doors' names in the declared service-discovery table; a runtime knows what they stand for."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two doors of the pipeline.

    Args:
        adder: the adder's gRPC address.
        totalizer_url: the totalizer's REST address, as `http://127.0.0.1:8080`.
        system: tells this system from others that are spoken to from here; empty for the data directory's own.
    """

    adder: Address
    totalizer_url: str
    system: str = ""
