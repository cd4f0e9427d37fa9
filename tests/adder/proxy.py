"""The proxy of `sumflow chaos` in front of PostgreSQL, which can also swallow the answer to a COMMIT."""

from __future__ import annotations

import asyncio

from sumflow.chaos import proxy
from sumflow.settings import Address


class Proxy(proxy.Proxy):
    """Forwards to PostgreSQL."""

    def __init__(self, target: Address) -> None:
        super().__init__(target)
        self.swallow_commit_answer = False
        """Pass nothing on any more once a COMMIT went to the server, until restored; happens once."""

    async def _pass_on(self, data: bytes, sink: asyncio.StreamWriter, *, outbound: bool) -> bool:
        if outbound and self.swallow_commit_answer and b"COMMIT" in data:
            self.swallow_commit_answer = False
            self.stall()  # before the server can answer
        return await super()._pass_on(data, sink, outbound=outbound)
