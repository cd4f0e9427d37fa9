"""The proxies of a run, in a thread of their own: each stands on the only way to a component."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from sumflow.chaos.faults import Fault, Kind
from sumflow.chaos.proxy import Proxy
from sumflow.chaos.target import Undo
from sumflow.errors import SumflowError
from sumflow.settings import Address

CLIENTS_LINE: Final = "adder"
"""The line between the clients and all copies of the adder."""
SLOW_BY_S: Final = 0.15

LINE_FAULTS: Final[Mapping[Kind, Callable[[Proxy], None]]] = {
    Kind.CUT: Proxy.cut,
    Kind.STALL: Proxy.stall,
    Kind.SLOW: lambda proxy: proxy.slow(SLOW_BY_S),
}
_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Route:
    """A way to a component: where the proxy listens (port 0: anywhere), and where it leads."""

    listen: Address
    target: Address


class Lines:
    """The proxies; a context manager. What they are told takes effect before the call returns.

    Args:
        routes: by the name of the component that is behind.
    """

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = routes
        self._proxies: dict[str, Proxy] = {}
        self._stack = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_WITHIN_S)
        except OSError as error:
            self._end()
            raise SumflowError("a proxy cannot listen", why=str(error), remedy="run the command again") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    @property
    def names(self) -> tuple[str, ...]:
        """The components that are reached through a proxy."""
        return tuple(self._routes)

    def address(self, name: str) -> Address:
        """Return where a component is reached."""
        return self._proxies[name].address

    def begin(self, fault: Fault) -> Undo:
        """Break a line, by one of LINE_FAULTS, and return what makes it whole again."""
        self.tell(fault.target, LINE_FAULTS[fault.kind])
        return partial(self.tell, fault.target, Proxy.restore)

    def tell(self, name: str, what: Callable[[Proxy], None]) -> None:
        """Let the proxy in front of a component do something."""

        async def act() -> None:
            what(self._proxies[name])

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(_WITHIN_S)

    async def _open(self) -> None:
        for name, route in self._routes.items():
            self._proxies[name] = await self._stack.enter_async_context(Proxy(route.target, route.listen))

    def _end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(_WITHIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
