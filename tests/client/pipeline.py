"""A pipeline in this process that keeps the contract in memory and fails when it is told to.

The real one is used by the end-to-end tests; this one breaks at an exact place, which the real one cannot.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import UUID

import grpc

from sumflow.client.endpoints import Endpoints
from sumflow.settings import Address
from sumflow.sums.numbers import is_int64
from sumflow.sums.sum_pb2 import Rejection, SumBatchRequest, SumBatchResponse, SumNumbersRequest, SumNumbersResponse
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceServicer, add_SumNumbersServiceServicer_to_server

LANE = UUID(int=7)


@dataclass
class Pipeline(SumNumbersServiceServicer):
    """Adder and totalizer in one: what is stored is in the total at once, unless `counting` is off.

    Args:
        fail_before: how many requests are refused as UNAVAILABLE before the first is stored.
        lose_answer_of: the n-th stored batch (from 1) is stored, but its stream breaks before the answer.
        end_after: the stream ends with OK after so many answers, once, whatever was sent.
    """

    fail_before: int = 0
    lose_answer_of: int = 0
    end_after: int = 0
    counting: bool = True
    total: int = 0
    named: dict[str, int] = field(default_factory=dict)
    seq: int = 0
    batches: int = 0
    duplicates: int = 0
    answers: dict[str, SumBatchResponse] = field(default_factory=dict)
    numbers: list[tuple[int, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def SumNumbers(self, request: SumNumbersRequest, context: grpc.ServicerContext) -> SumNumbersResponse:  # noqa: N802
        """Add two numbers."""
        self._maybe_refuse(context)
        answer = self._store([request.x], [request.y], request.request_id, request.total)
        if answer.rejected:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, answer.rejected[0].reason)
        return SumNumbersResponse(sum=request.x + request.y, position=answer.position)

    def SumBatches(  # noqa: N802
        self, requests: Iterator[SumBatchRequest], context: grpc.ServicerContext
    ) -> Iterator[SumBatchResponse]:
        """Add batches."""
        for request in requests:
            self._maybe_refuse(context)
            answer = self._store(list(request.x), list(request.y), request.request_id, request.total)
            if self.batches == self.lose_answer_of:
                self.lose_answer_of = 0
                context.abort(grpc.StatusCode.UNAVAILABLE, "the connection is gone")
            yield answer
            if self.batches == self.end_after:
                self.end_after = 0
                return

    def _maybe_refuse(self, context: grpc.ServicerContext) -> None:
        if self.fail_before:
            self.fail_before -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "the database is away")

    def _store(self, x: list[int], y: list[int], request_id: str, total: str) -> SumBatchResponse:
        with self.lock:
            if request_id in self.answers:
                self.duplicates += 1
                return self.answers[request_id]
            self.batches += 1
            pairs = list(zip(x, y, strict=True))
            assert 0 < len(pairs) <= 10_000
            stored = [pair for pair in pairs if is_int64(sum(pair))]
            self.numbers += stored
            self.seq += len(stored)
            if total:
                self.named[total] = self.named.get(total, 0) + sum(map(sum, stored))
            else:
                self.total += sum(map(sum, stored))
            answer = SumBatchResponse(
                accepted=len(stored),
                rejected=[
                    Rejection(index=i, reason="the sum does not fit 64 bits")
                    for i, pair in enumerate(pairs)
                    if not is_int64(sum(pair))
                ],
                position=f"{LANE}:{self.seq}" if stored else "",
                request_id=request_id,
            )
            self.answers[request_id] = answer
            return answer

    def rest(self, target: str) -> tuple[int, object]:
        """Answer GET of the REST interface: status and JSON."""
        path = urlsplit(target).path
        if path == "/v1/totals":
            return 200, self._page(parse_qs(urlsplit(target).query).get("after", [""])[0])
        position = parse_qs(urlsplit(target).query).get("position", [f"{LANE}:0"])[0]
        assert re.fullmatch(rf"{LANE}:\d+", position)
        if not self.counting and not position.endswith(":0"):
            return 504, {"error": "not yet"}
        name = unquote(path.removeprefix("/v1/results").removeprefix("/"))
        if name and name not in self.named:
            return 404, {"error": f"there is no total {name!r}: nothing that names it is counted"}
        return 200, {"result": self.named[name] if name else self.total}

    def _page(self, after: str) -> object:
        """Answer the list of totals, two a page."""
        names = sorted(name for name in self.named if name > after)
        found = [{"name": name, "result": self.named[name], "count": 1} for name in names[:2]]
        following = f"/v1/totals?limit=2&after={quote(names[1])}" if len(names) > 2 else None
        return {"totals": found, "next": following}


@contextmanager
def serving(pipeline: Pipeline) -> Iterator[Endpoints]:
    """Serve a pipeline on free ports."""

    class Rest(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = pipeline.rest(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Be silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_SumNumbersServiceServicer_to_server(pipeline, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield Endpoints(Address("127.0.0.1", port), f"http://127.0.0.1:{http.server_address[1]}")
    finally:
        server.stop(None).wait()
        http.shutdown()
        http.server_close()
