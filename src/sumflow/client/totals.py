"""Reads the total over REST, waits until it includes a position, and follows it as it moves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx

from sumflow.errors import NotRunningError, SumflowError

_READ_TIMEOUT_S: Final = 10.0
_WAIT_AT_MOST_S: Final = 10.0
"""One request waits this long at most; a longer wait is several requests."""
_STREAM_SILENCE_S: Final = 60.0
"""The stream sends heartbeats; a longer silence means that it is broken."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A state of the total as the stream tells it: of `count` additions; `problem`: why it stands still."""

    total: int
    count: int
    problem: str | None


class Totals:
    """The totalizer's REST interface.

    Args:
        url: its base address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # Proxies of the environment are for the world outside; the pipeline is spoken to directly.
        self._http = httpx.Client(base_url=url, timeout=_READ_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def total(self) -> int:
        """Return the total; raise NotRunningError if nobody answers, SumflowError if the totalizer cannot."""
        return _result(self._get({}))

    def including(self, position: str, within_s: float) -> int | None:
        """Return a total that includes the position, or None if there is none within the time."""
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            answer = self._get({"position": position, "wait": f"{min(left_s, _WAIT_AT_MOST_S):.3f}s"})
            if answer.status_code == httpx.codes.OK:
                return _result(answer)
            if answer.status_code not in (httpx.codes.GATEWAY_TIMEOUT, httpx.codes.REQUEST_TIMEOUT):
                raise _refused(answer)
        return None

    def stream(self) -> Iterator[Moved]:
        """Follow the total: its state now, then each change; ends when the totalizer ends the stream."""
        timeout = httpx.Timeout(_READ_TIMEOUT_S, read=_STREAM_SILENCE_S)
        try:
            with self._http.stream("GET", "/v1/stream", timeout=timeout) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise _refused(answer)
                yield from _events(answer.iter_lines())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _get(self, parameters: dict[str, str]) -> httpx.Response:
        timeout = httpx.Timeout(_READ_TIMEOUT_S, read=_READ_TIMEOUT_S + _WAIT_AT_MOST_S)
        try:
            return self._http.get("/v1/results", params=parameters, timeout=timeout)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> NotRunningError:
        return NotRunningError(
            f"the totalizer at {self._url} does not answer",
            why=str(error),
            remedy="`sumflow status` shows what is running, `sumflow up` starts it",
        )


def _result(answer: httpx.Response) -> int:
    if answer.status_code != httpx.codes.OK:
        raise _refused(answer)
    return int(answer.json()["result"])


def _refused(answer: httpx.Response) -> SumflowError:
    try:
        why = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        why = answer.text[:200]
    return SumflowError(
        f"the totalizer answers {answer.status_code} {answer.reason_phrase}",
        why=why,
        remedy="`sumflow logs totalizer` shows its side",
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
