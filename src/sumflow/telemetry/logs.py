"""Structured logs: one JSON object a line on standard error, so that a collector needs no parser of its own."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Final

import structlog

REPEAT_LOG_S: Final = 10.0
AT_CLIENTS_WILL: Final = ("grpc._cython.cygrpc", "uvicorn.error")
"""Loggers of libraries that write a line, or a traceback, for each malformed request."""


class Seldom(logging.Filter):
    """Lets each kind of line of a library pass once in 10 s: brokers stay away, and hostile clients go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line passes; its kind is the first word, of which a library has few."""
        kind, now_s = record.getMessage().partition(" ")[0], self._clock()
        if now_s - self._passed_s.get(kind, -REPEAT_LOG_S) < REPEAT_LOG_S:
            return False
        self._passed_s[kind] = now_s
        return True


def configure(service: str, instance: str, level: str) -> None:
    """Set up logging for one process; library logs go the same way."""
    numeric = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _naming(service, instance),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=max(numeric, logging.INFO), handlers=[handler], force=True)
    for name in AT_CLIENTS_WILL:
        logging.getLogger(name).addFilter(Seldom())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        cache_logger_on_first_use=True,
    )


def _naming(service: str, instance: str) -> structlog.types.Processor:
    """Return what adds the process's names to every line; a context variable would reach one thread only."""

    def name(_: object, __: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
        line.update(service=service, instance=instance)
        return line

    return name
