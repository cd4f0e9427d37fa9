"""Reads the total over REST, waits until it includes a position, and follows it as it moves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from sumflow.errors import SEE_STATUS, NotRunningError, SumflowError, UsageError
from sumflow.sums.totals import Tally

_READ_TIMEOUT_S: Final = 10.0
_WAIT_AT_MOST_S: Final = 10.0
"""One request waits this long at most; a longer wait is several requests."""
_FIRST_PAGE: Final = "/v1/totals?limit=1000"
_NO_TOTAL: Final = "there is no total "
_STREAM_SILENCE_S: Final = 60.0
"""The stream sends heartbeats; a longer silence means that it is broken."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A state of the total as the stream tells it: of `count` additions; `problem`: why it stands still."""

    total: int
    count: int
    problem: str | None


class NoSuchTotalError(UsageError):
    """Nothing that names this total is counted."""


class Totals:
    """The totalizer's REST interface.

    Args:
        url: its base address.
        read_timeout_s: how long an answer is waited for, in seconds, beyond what was asked to wait.
    """

    def __init__(self, url: str, *, read_timeout_s: float = _READ_TIMEOUT_S) -> None:
        self._url = url
        self._read_timeout_s = read_timeout_s
        # Proxies of the environment are for the world outside; the pipeline is spoken to directly.
        self._http = httpx.Client(base_url=url, timeout=read_timeout_s, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def total(self, name: str = "") -> int:
        """Return the total of a name, without one the one total.

        Raises:
            NoSuchTotalError: there is none of this name.
            NotRunningError: nobody answers.
            SumflowError: the totalizer cannot.
        """
        return _result(self._get(_path(name), {}))

    def so_far(self, name: str) -> int:
        """Return the total of a name that may be new: 0 until something of it is counted."""
        try:
            return self.total(name)
        except NoSuchTotalError:
            return 0

    def named(self) -> Iterator[tuple[str, Tally]]:
        """Return all named totals in the order of their names; each page is asked for when it is needed."""
        page: str | None = _FIRST_PAGE
        while page:
            answer = self._get(page, {})
            if answer.status_code != httpx.codes.OK:
                raise _refused(answer)
            found: dict[str, Any] = answer.json()
            for each in found["totals"]:
                yield each["name"], Tally(each["count"], each["result"])
            page = found["next"]

    def including(self, position: str, within_s: float, name: str = "") -> int | None:
        """Return the total of a name that includes the position, or None if there is none within the time."""
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            wait_s = min(left_s, _WAIT_AT_MOST_S)
            answer = self._get(_path(name), {"position": position, "wait": f"{wait_s:.3f}s"}, wait_s)
            if answer.status_code == httpx.codes.OK:
                return _result(answer)
            if answer.status_code not in (httpx.codes.GATEWAY_TIMEOUT, httpx.codes.REQUEST_TIMEOUT):
                raise _refused(answer)
        return None

    def stream(self, name: str = "") -> Iterator[Moved]:
        """Follow the total of a name: its state now, then each change; ends when the totalizer ends the stream."""
        asked = {"total": name} if name else {}
        timeout = httpx.Timeout(_READ_TIMEOUT_S, read=_STREAM_SILENCE_S)
        try:
            with self._http.stream("GET", "/v1/stream", params=asked, timeout=timeout) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise _refused(answer)
                yield from _events(answer.iter_lines())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _get(self, path: str, parameters: dict[str, str], wait_s: float = 0.0) -> httpx.Response:
        timeout = httpx.Timeout(self._read_timeout_s, read=self._read_timeout_s + wait_s)
        try:
            return self._http.get(path, params=parameters or None, timeout=timeout)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> NotRunningError:
        return NotRunningError(
            f"the totalizer at {self._url} does not answer",
            why=str(error),
            remedy=SEE_STATUS,
        )


def _path(name: str) -> str:
    return f"/v1/results/{quote(name, safe='')}" if name else "/v1/results"


def _result(answer: httpx.Response) -> int:
    if answer.status_code != httpx.codes.OK:
        raise _refused(answer)
    return int(answer.json()["result"])


def _refused(answer: httpx.Response) -> SumflowError:
    try:
        why = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        why = answer.text[:200]
    if answer.status_code == httpx.codes.NOT_FOUND and why.startswith(_NO_TOTAL):
        return NoSuchTotalError(why, remedy="`sumflow total --list` shows the names that there are")
    return SumflowError(
        f"the totalizer answers {answer.status_code} {answer.reason_phrase}",
        why=why,
        remedy="its log shows its side: `sumflow logs totalizer`, or `kubectl logs -n sumflow -l app=totalizer`",
    )


def _events(lines: Iterator[str]) -> Iterator[Moved]:
    """Take the total's states out of server-sent events (WHATWG HTML, 9.2); each state is one `data:` line of JSON."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        state: dict[str, Any] = json.loads(line.removeprefix("data:"))
        if "error" in state:
            raise SumflowError("the totalizer cannot read the total", why=str(state["error"]))
        yield Moved(int(state["total"]), int(state["count"]), state.get("problem"))
