"""The health port that the pods' probes ask: this program is healthy while it answers."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer the two paths of the real operators."""
        self.send_response(200 if self.path in ("/healthy", "/ready") else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Keep the kubelet's questions out of the log."""


def serve(port: int) -> None:
    """Answer probes on `port` from a thread of its own."""
    server = ThreadingHTTPServer(("", port), _Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
