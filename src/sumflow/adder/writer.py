"""The group commit: while one commit is on its way, the requests of the next gather.

A request is answered after its commit, and never before. While there is no lane to write to, nothing is queued: the
caller hears UNAVAILABLE at once and decides for itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import grpc
import psycopg
import structlog

from sumflow import database
from sumflow.adder import outbox
from sumflow.adder.grouping import Queue
from sumflow.adder.metrics import AdderMetrics
from sumflow.adder.processes import set_within
from sumflow.adder.requests import Refused, Request
from sumflow.adder.session import LaneLostError, LaneSession
from sumflow.settings import AdderSettings
from sumflow.sums.event import Position

IDLE_PROBE_S: Final = 1.0
"""An idle session is asked for a sign of life so often, so that readiness is known before a request finds out."""
TIMEOUT_SLICES: Final = 10
"""Of the commit timeout: what stands still for longer than it loses a tenth of it, not the lane."""
AWAY_RETRY_S: Final = 1.0
"""A client that is refused because the database is away is asked to come again after this long."""

_NOT_STORED = "the adder's database is not available; nothing of this request is stored: try again"
_OPEN = (
    "the adder's database did not answer the commit: whether this request is stored is not known; "
    "repeat it with the same request_id to be told, or check the total before you send it again without one"
)
_T = TypeVar("_T")
_log = structlog.get_logger()


class Writer:
    """Stores requests in groups, on one lane at a time.

    Args:
        settings: where the database is, how many additions may wait, how long a commit may take.
        metrics: where to count.
        changed: is set when `problem` may answer differently.
    """

    def __init__(self, settings: AdderSettings, metrics: AdderMetrics, changed: asyncio.Event) -> None:
        self._settings = settings
        self._metrics = metrics
        self._queue = Queue(settings.adder_max_pending)
        metrics.pending.set_function(lambda: self._queue.additions)
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()
        self._changed = changed
        self._is_open = False
        self._problem: str | None = "no lane is open yet"

    def problem(self) -> str | None:
        """Return why no addition can be accepted now, or None."""
        return None if self._is_open else self._problem

    async def submit(self, request: Request) -> Position:
        """Wait until the request is stored; return the position of its last addition.

        Raises:
            Refused: nothing is stored, or, if the message says so, nobody knows.
        """
        self._enqueue(request)
        return await request.answer

    async def enqueue(self, request: Request) -> None:
        """Wait for room in the queue, as a stream can; `request.answer` follows. Raise Refused if there is no lane."""
        while self._is_open and not self._queue.has_room(len(request)):
            self._room.clear()
            await self._room.wait()
        self._enqueue(request)

    def _enqueue(self, request: Request) -> None:
        if not self._is_open:
            raise Refused(grpc.StatusCode.UNAVAILABLE, _NOT_STORED, AWAY_RETRY_S)
        self._queue.put(request)
        self._work.set()

    async def run(self) -> None:
        """Hold a lane, and open another whenever it is lost, until `stop` is called and everything is answered."""
        backoff = database.Backoff()
        while not self._stopping.is_set():
            try:
                session = await self._open()
            except (psycopg.Error, OSError, TimeoutError, database.SchemaBusyError) as error:
                self._problem = f"the database is not available: {' '.join(str(error).split())}"
                _log.warning("no lane", reason=self._problem)
                await set_within(self._stopping, backoff.next_s())
                continue
            backoff.reset()
            await self._serve(session)

    def stop(self) -> None:
        """Let `run` end once everything that waits is answered."""
        self._stopping.set()
        self._work.set()

    async def _open(self) -> LaneSession:
        # At every session, not only the first: the server that comes back may be another one, with an older schema.
        await asyncio.to_thread(database.migrate, self._settings, "sumflow.adder")
        await outbox.prepare(self._settings)
        async with asyncio.timeout(self._settings.adder_commit_timeout_s):
            return await LaneSession.open(self._settings)

    async def _serve(self, session: LaneSession) -> None:
        self._set_open(is_open=True)
        self._metrics.lanes.inc()
        _log.info("lane opened", lane=str(session.lane), number=session.number)
        try:
            while await self._turn(session):
                pass
        except (psycopg.Error, LaneLostError) as error:
            self._problem = f"the lane was lost: {' '.join(str(error).split())}"
            _log.warning("lane lost", lane=str(session.lane), reason=self._problem)
        finally:
            self._set_open(is_open=False)
            self._room.set()
            self._refuse(self._queue.take_all(), _NOT_STORED)
            await session.discard()

    def _set_open(self, *, is_open: bool) -> None:
        self._is_open = is_open
        self._changed.set()

    async def _turn(self, session: LaneSession) -> bool:
        """Commit one group, or see that the server lives; return False when the lane is closed in good order."""
        if self._queue.additions:
            # One turn of the loop, so that calls that came in during the last commit join: fewer, larger commits.
            await asyncio.sleep(0)
        group = self._queue.take_group()
        self._room.set()  # also if nothing is left to commit, because the callers of all that waited are gone
        if group:
            await self._commit(session, group)
        elif self._stopping.is_set():
            await self._within(session, session.close())
            return False
        elif not await self._work_arrives():
            await self._within(session, session.probe())
        return True

    async def _work_arrives(self) -> bool:
        self._work.clear()
        return await set_within(self._work, IDLE_PROBE_S)

    async def _commit(self, session: LaneSession, group: list[Request]) -> None:
        began, before = time.monotonic(), session.last_seq
        try:
            outcomes = await self._within(session, session.store(group))
        except (psycopg.Error, LaneLostError):
            self._refuse(group, _OPEN if session.outcome_is_open else _NOT_STORED)
            raise
        for request, outcome in outcomes.items():
            _answer(request, outcome)
        commit_s = time.monotonic() - began
        self._queue.pace.observe(commit_s)
        if stored := session.last_seq - before:  # none if all were retries
            self._metrics.accepted.inc(stored)
            self._metrics.commit_size.observe(stored)
            self._metrics.commit_time.observe(commit_s)

    async def _within(self, session: LaneSession, work: Coroutine[Any, Any, _T]) -> _T:
        """Await work with the server for the commit timeout; then the session ends, and so does the work, in error.

        The time is taken in slices: while this process stands still (stopped, or short of CPU), its server may have
        answered, and only one of them passes.
        """
        task = asyncio.create_task(work)
        for _ in range(TIMEOUT_SLICES):
            done, _ = await asyncio.wait({task}, timeout=self._settings.adder_commit_timeout_s / TIMEOUT_SLICES)
            if done:
                break
        else:
            session.abandon()
        return await task

    @staticmethod
    def _refuse(requests: list[Request], message: str) -> None:
        for request in requests:
            _answer(request, Refused(grpc.StatusCode.UNAVAILABLE, message, AWAY_RETRY_S))


def _answer(request: Request, outcome: Position | Refused) -> None:
    if request.answer.done():  # the caller is gone: cancelled, or past its deadline
        return
    if isinstance(outcome, Refused):
        request.answer.set_exception(outcome)
    else:
        request.answer.set_result(outcome)
