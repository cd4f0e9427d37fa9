"""What the REST interface reads from a request and how it words its answers; errors are JSON like everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sumflow.sums.event import Position
from sumflow.sums.totals import Tally, flaw_of
from sumflow.totalizer.reading import Snapshot

WAIT_LIMIT_S: Final = 30.0
PAGE: Final = 100
PAGE_LIMIT: Final = 1000
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


def asked_name(request: Request) -> str:
    """Return the name that the path asks for, empty without one; raise HTTPException 404 or 400 if it can be none."""
    name = request.path_params.get("name")
    if name == "":
        raise HTTPException(404)
    return checked_name(name or "")


def asked_page(request: Request) -> tuple[str, int]:
    """Return the name after which a page of totals begins, and its length; raise HTTPException 400."""
    limit = request.query_params.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 9 and 1 <= int(limit) <= PAGE_LIMIT):
        raise HTTPException(400, f"limit is a number from 1 to {PAGE_LIMIT}, not {limit[:40]!r}")
    return checked_name(request.query_params.get("after", "")), int(limit)


def checked_name(name: str) -> str:
    """Return the name; raise HTTPException 400 if it cannot name a total."""
    if flaw := flaw_of(name):
        raise HTTPException(400, flaw)
    return name


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


def total_of(snapshot: Snapshot, name: str) -> Tally:
    """Return the total of a name; raise HTTPException 404 if nothing was ever added to it."""
    total = snapshot.of(name)
    if total is None:
        raise HTTPException(404, f"there is no total {name!r}: nothing that names it is counted")
    return total


def answer_page(found: list[tuple[str, Tally]], limit: int) -> Response:
    """Answer a page of totals, of which one more than its length was looked for, and where the next page is."""
    shown = [{"name": name, "result": total.sum, "count": total.count} for name, total in found[:limit]]
    following = None
    if len(found) > limit:
        following = "/v1/totals?" + urlencode({"limit": limit, "after": found[limit - 1][0]})
    return answer_json({"totals": shown, "next": following})


def answer_result(request: Request, snapshot: Snapshot, name: str) -> Response:
    """Answer a total, or that it has not changed since the ETag that the client holds (RFC 9110, 13.1.2)."""
    result = total_of(snapshot, name).sum
    headers = {"ETag": f'"{result}"', "Cache-Control": "no-cache"}
    held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["ETag"] in held:
        return Response(status_code=304, headers=headers)
    return answer_json({"result": result}, headers=headers)


async def refusal(_: Request, error: Exception) -> Response:
    """Word an HTTPException."""
    if not isinstance(error, HTTPException):
        raise error
    return answer_json({"error": error.detail}, error.status_code, error.headers)


async def away(_: Request, error: Exception) -> Response:
    """Word that the database is away."""
    return answer_json({"error": f"the total cannot be read now: {error}"}, 503, {"Retry-After": "1"})
