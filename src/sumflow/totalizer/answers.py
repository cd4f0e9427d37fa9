"""What the REST interface reads from a request and how it words its answers; errors are JSON like everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sumflow.sums.event import Position
from sumflow.totalizer.reading import Snapshot

WAIT_LIMIT_S: Final = 30.0
_WAIT: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s|)", re.ASCII)


class Places:
    """A bounded number of requests that may wait at the same time.

    Args:
        limit: how many.
        refusal: what the one too many is told.
    """

    def __init__(self, limit: int, refusal: str) -> None:
        self._free = limit
        self._refusal = refusal

    def check(self) -> None:
        """Raise HTTPException 503 if all places are taken."""
        if self._free <= 0:
            raise HTTPException(503, self._refusal, {"Retry-After": "1"})

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place for the block; raise HTTPException 503 if there is none."""
        self.check()
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


def asked(request: Request) -> tuple[Position | None, float]:
    """Return the position that is asked for, and how long to wait for it in seconds; raise HTTPException 400."""
    position, wait = request.query_params.get("position"), request.query_params.get("wait")
    if position is None:
        if wait is not None:
            raise HTTPException(400, "wait needs a position to wait for")
        return None, 0.0
    try:
        return Position.parse(position), parse_wait_s(wait or "0")
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


def parse_wait_s(text: str) -> float:
    """Read a duration as `2s`, `500ms` or `2`; raise ValueError if it is none or beyond the limit."""
    matched = _WAIT.fullmatch(text)
    if matched is None:
        raise ValueError(f"wait is a duration as 2s or 500ms, not {text[:40]!r}")
    wait_s = float(matched[1]) / (1000 if matched[2] == "ms" else 1)
    if wait_s > WAIT_LIMIT_S:
        raise ValueError(f"wait is at most {WAIT_LIMIT_S:.0f}s")
    return wait_s


def answer_json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer JSON; whole numbers of any size are written digit by digit."""
    told = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} | dict(headers or {})
    return Response(json.dumps(content) + "\n", status, told, "application/json")


def answer_result(request: Request, snapshot: Snapshot) -> Response:
    """Answer the total, or that it has not changed since the ETag that the client holds (RFC 9110, 13.1.2)."""
    headers = {"ETag": f'"{snapshot.total}"', "Cache-Control": "no-cache"}
    held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["ETag"] in held:
        return Response(status_code=304, headers=headers)
    return answer_json({"result": snapshot.total}, headers=headers)


async def refusal(_: Request, error: Exception) -> Response:
    """Word an HTTPException."""
    if not isinstance(error, HTTPException):
        raise error
    return answer_json({"error": error.detail}, error.status_code, error.headers)


async def away(_: Request, error: Exception) -> Response:
    """Word that the database is away."""
    return answer_json({"error": f"the total cannot be read now: {error}"}, 503, {"Retry-After": "1"})
