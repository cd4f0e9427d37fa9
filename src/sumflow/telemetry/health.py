"""The health and metrics port of a service: /livez, /readyz and /metrics.

It is served from a thread of its own, so that a service whose loop hangs is seen as not live instead of not answering.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from sumflow.errors import SumflowError
from sumflow.settings import Address
from sumflow.telemetry.port import BoundedHandler, BoundedServer

HALTED: Final = "halted: "
"""How the reason of a service begins that works no further until a person acts: waiting does not make it ready."""


class Heartbeat:
    """Says whether a loop still turns: the loop beats, the health port looks.

    Args:
        limit_s: the longest time between two beats of a healthy loop, in seconds.
    """

    def __init__(self, limit_s: float = 15.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._last = clock()

    def beat(self) -> None:
        """Record that the loop turns."""
        self._last = self._clock()

    def problem(self) -> str | None:
        """Return why the loop is not healthy, or None."""
        silent_s = self._clock() - self._last
        return f"the main loop has not turned for {silent_s:.0f} s" if silent_s > self._limit_s else None


class HealthServer:
    """Serves the health port until closed.

    Args:
        listen: where to listen.
        registry: the metrics to show.
        live: returns why the process itself is broken, or None.
        ready: returns why the process cannot do its work now (a dependency, a start or a stop under way), or None.

    Raises:
        SumflowError: the port cannot be had.
    """

    def __init__(
        self,
        listen: Address,
        registry: CollectorRegistry,
        *,
        live: Callable[[], str | None],
        ready: Callable[[], str | None],
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._probes = {"/livez": live, "/readyz": ready}
        try:
            self._server = make_server(listen.host, listen.port, self._answer, BoundedServer, BoundedHandler)
        except OSError as error:
            raise SumflowError(
                f"the health and metrics port cannot listen on {listen}",
                why=str(error),
                remedy="free the port, or set METRICS_LISTEN to another address",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            answer: Any = self._metrics(environ, start)
            return answer  # type: ignore[no-any-return]
        probe = self._probes.get(path)
        problem = probe() if probe else "no such page: /livez, /readyz and /metrics are served here"
        status = "404 Not Found" if probe is None else "503 Service Unavailable" if problem else "200 OK"
        body = json.dumps({"status": "unavailable", "reason": problem} if problem else {"status": "ok"})
        start(status, [("Content-Type", "application/json")])
        return [body.encode() + b"\n"]
