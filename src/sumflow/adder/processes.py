"""What the processes of the adder and of the relay have in common: signals, and the loop that shows they are alive."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from sumflow.telemetry.health import Heartbeat

BEAT_S: Final = 1.0


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
            try:
                async with asyncio.timeout(BEAT_S):
                    await self.changed.wait()
            except TimeoutError:
                continue

    def _stop(self) -> None:
        self._stopped = True
        self.changed.set()
