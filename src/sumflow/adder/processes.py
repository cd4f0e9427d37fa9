"""What the processes of the adder and of the relay have in common: signals, waits, the loop that shows they live."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from sumflow.telemetry.health import Heartbeat

BEAT_S: Final = 1.0


async def set_within(event: asyncio.Event, limit_s: float) -> bool:
    """Wait for an event for at most `limit_s`; tell whether it was set."""
    try:
        async with asyncio.timeout(limit_s):
            return await event.wait()
    except TimeoutError:
        return False


class Vigil:
    """Watches over a process's main task from the event loop, until a signal asks it to end."""

    def __init__(self) -> None:
        self.heartbeat = Heartbeat()
        self.changed = asyncio.Event()
        self._stopped = False

    def listen_for_signals(self) -> None:
        """From now on SIGTERM and SIGINT end the vigil."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)

    async def keep(self, main: asyncio.Task[None], each_time: Callable[[], Awaitable[None]]) -> None:
        """Beat, and call `each_time`, at every change and once a second, until a signal or the end of `main`."""
        main.add_done_callback(lambda _: self.changed.set())
        while not self._stopped and not main.done():
            self.changed.clear()
            self.heartbeat.beat()
            await each_time()
            await set_within(self.changed, BEAT_S)

    def _stop(self) -> None:
        self._stopped = True
        self.changed.set()
