"""The REST interface and the live page: what the total is, as JSON, as a stream of changes, and for people."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from sumflow import __version__
from sumflow.settings import TotalizerSettings
from sumflow.sums.totals import Tally
from sumflow.totalizer.answers import (
    Places,
    answer_json,
    answer_page,
    answer_result,
    asked,
    asked_name,
    asked_page,
    away,
    checked_name,
    refusal,
    total_of,
)
from sumflow.totalizer.page import Page
from sumflow.totalizer.reading import DatabaseAwayError, Totals

WAITERS_LIMIT: Final = 1000
STREAMS_LIMIT: Final = 200
HEARTBEAT_S: Final = 10.0
"""A stream says something at least this often, so that both ends see that it lives."""
STREAM_PAUSE_S: Final = 0.05
"""A stream sends at most 20 states a second: enough for eyes, whatever the rate of commits."""


class Api:
    """The handlers, and how many requests may wait at once.

    Args:
        settings: the environment's name, for the health check.
        problem: returns why the consumer reads nothing, or None; shown on the page.
    """

    def __init__(self, settings: TotalizerSettings, problem: Callable[[], str | None]) -> None:
        self._environment = settings.environment
        self._settings = settings
        self._problem = problem
        self._page = Page.load()
        self._waiters = Places(WAITERS_LIMIT, "too many requests wait for a position")
        self._streams = Places(STREAMS_LIMIT, "too many streams are open")
        self._closing = False
        self.totals: Totals | None = None
        """There while the application runs."""

    def app(self) -> Starlette:
        """Return the application; its lifespan opens and closes what it needs."""
        routes = [
            Route("/", self.page),
            Route("/v1/results", self.results),
            Route("/v1/results/{name:path}", self.results),  # a name may have slashes
            Route("/v1/totals", self.list_totals),
            Route("/v1/healthcheck", self.healthcheck),
            Route("/v1/stream", self.stream),
        ]
        handlers: dict[Any, Any] = {HTTPException: refusal, DatabaseAwayError: away}
        app = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)
        app.router.redirect_slashes = False  # /v1/results/ is an unknown path, as any other
        return app

    def close(self) -> None:
        """End streams and waits, so that the server can stop; from the event loop only."""
        self._closing = True
        self._reader.end_waits()

    async def results(self, request: Request) -> Response:
        """Answer the total, or that of a name; with `position`, one that includes it, waiting at most `wait`."""
        name, (position, wait_s) = asked_name(request), asked(request)
        if position is None:
            return answer_result(request, await self._reader.read(name=name), name)
        with self._waiters.one():
            snapshot = await self._reader.including(position, wait_s, name)
        if snapshot is None:
            raise HTTPException(504, f"the total does not include {position} yet")
        return answer_result(request, snapshot, name)

    async def list_totals(self, request: Request) -> Response:
        """List the named totals, page by page: those after the name `after`, at most `limit`, and the next page."""
        after, limit = asked_page(request)
        return answer_page(await self._reader.page(after, limit + 1), limit)

    async def healthcheck(self, _: Request) -> Response:
        """Answer that this process serves, and which version it is."""
        system_info = {"version": __version__, "environment": self._environment}
        return answer_json({"status": "available", "system_info": system_info})

    async def stream(self, request: Request) -> Response:
        """Stream the total, or the one that `total` names, as server-sent events (WHATWG HTML, section 9.2).

        The state now, then each change.
        """
        name = checked_name(request.query_params.get("total", ""))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return Response(headers=headers, media_type="text/event-stream")
        self._streams.check()
        if name:  # there is one total at any time, also while the database is away
            total_of(await self._reader.read(name=name), name)
        states = self._states(name)
        # Begun before the answer: two that come at once must not both be promised the last place.
        first = await anext(states, "")
        return StreamingResponse(_going_on(first, states), headers=headers, media_type="text/event-stream")

    async def page(self, _: Request) -> Response:
        """Serve the live page."""
        return HTMLResponse(self._page.html, headers=self._page.headers)

    async def _states(self, name: str) -> AsyncGenerator[str, None]:
        told = ""
        with self._streams.one():
            while not self._closing:
                changed = self._reader.changed
                state = await self._state(name)
                yield f"data: {state}\n\n" if state != told else ": still here\n\n"
                told = state
                await asyncio.sleep(STREAM_PAUSE_S)
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_S)

    async def _state(self, name: str) -> str:
        try:
            seen = await self._reader.read(name=name)
        except DatabaseAwayError as error:
            return json.dumps({"error": f"the database is away: {error}"})
        total = seen.of(name) or Tally()
        state = {"total": total.sum, "count": total.count, "lag": seen.lag, "parked": seen.parked}
        return json.dumps(state | {"dead_letters": seen.dead_letters, "problem": self._problem()})

    @property
    def _reader(self) -> Totals:
        if self.totals is None:
            raise DatabaseAwayError("starting")
        return self.totals

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.totals = Totals(self._settings)
        listening = asyncio.create_task(self.totals.listen())
        try:
            yield
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            await self.totals.close()


async def _going_on(first: str, states: AsyncGenerator[str, None]) -> AsyncIterator[str]:
    """Stream what was begun already."""
    async with aclosing(states):
        yield first
        async for state in states:
            yield state
