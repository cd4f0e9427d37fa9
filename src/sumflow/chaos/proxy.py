"""A TCP proxy that treats connections as networks do: it resets, refuses, swallows and delays."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Final, Self

from sumflow.settings import Address

LOCAL: Final = Address("127.0.0.1", 0)
MAX_CONNECTIONS: Final = 512
_CHUNK_BYTES: Final = 1 << 16


class Proxy:
    """Forwards what connects to it; an async context manager, used from its own event loop only.

    Args:
        target: where connections lead.
        listen: where it listens; port 0 takes a free one.
    """

    def __init__(self, target: Address, listen: Address = LOCAL) -> None:
        self._target = target
        self._listen = listen
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._delay_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        """Where to connect."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._listen.host, self._listen.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Reset all connections; new ones are welcome."""
        for writer in self._writers:
            _reset(writer)

    def cut(self) -> None:
        """Reset all connections, and new ones as soon as they are made."""
        self._refusing = True
        self.drop()

    def stall(self) -> None:
        """Accept connections and bytes, and pass nothing on: a machine that hangs."""
        self._flowing.clear()

    def slow(self, delay_s: float) -> None:
        """Hold each piece of data back for so long."""
        self._delay_s = delay_s

    def restore(self) -> None:
        """Pass everything on again, what was held back first."""
        self._refusing, self._delay_s = False, 0.0
        self._flowing.set()

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serve one connection, as a task of its own."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- asyncio calls this in a task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._refusing or len(self._writers) >= 2 * MAX_CONNECTIONS:
            _reset(to_client)
            return
        try:
            server, to_server = await asyncio.open_connection(self._target.host, self._target.port)
        except OSError:
            _reset(to_client)
            return
        pair = {to_client, to_server}
        self._writers |= pair
        try:
            there, back = self._carry(client, to_server, outbound=True), self._carry(server, to_client, outbound=False)
            await _first_of(asyncio.create_task(there), asyncio.create_task(back))
        finally:
            self._writers -= pair
            for writer in pair:
                writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, outbound: bool) -> None:
        """Carry one direction to its end, however it ends."""
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK_BYTES):
                await self._flowing.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if not await self._pass_on(data, sink, outbound=outbound):
                    return

    async def _pass_on(self, data: bytes, sink: asyncio.StreamWriter, *, outbound: bool) -> bool:
        """Pass data on and tell whether the connection stays; `outbound` says that it goes to the target."""
        del outbound
        sink.write(data)
        await sink.drain()
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset: without the time that SO_LINGER is taken to 0, it would be an ordinary end."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _first_of(*tasks: asyncio.Task[None]) -> None:
    """Wait until one of them has ended, and end the others."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
