"""A TCP proxy in front of PostgreSQL that can freeze, cut, or swallow the answer to a COMMIT, as networks do."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from sumflow.settings import Address


class Proxy:
    """Forwards to `target`; an async context manager."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.swallow_commit_answer = False
        """Cut the connection right after a COMMIT went to the server, once."""

    @property
    def address(self) -> Address:
        """Where to connect."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Accept connections and bytes, and pass nothing on: a machine that hangs."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass everything on again."""
        self._flowing.set()

    def cut(self) -> None:
        """End all connections."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += [to_client, to_server]
        for source, sink, outbound in ((client, to_server, True), (server, to_client, False)):
            task = asyncio.create_task(self._forward(source, sink, outbound=outbound))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, outbound: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._flowing.wait()
                if outbound and self.swallow_commit_answer and b"COMMIT" in data:
                    self.swallow_commit_answer = False
                    self._flowing.clear()  # before the server can answer
                    sink.write(data)
                    await sink.drain()
                    return
                sink.write(data)
                await sink.drain()
            sink.close()
