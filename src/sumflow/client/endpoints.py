"""Where a running pipeline is spoken to; whoever runs it (this machine, a port-forward) says so with this value."""

from __future__ import annotations

from dataclasses import dataclass

from sumflow.settings import Address


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two doors of the pipeline.

    Args:
        adder: the adder's gRPC address.
        totalizer_url: the totalizer's REST address, as `http://127.0.0.1:8080`.
    """

    adder: Address
    totalizer_url: str
