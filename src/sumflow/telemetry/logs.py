"""Structured logs: one JSON object a line on standard error, so that a collector needs no parser of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog

REPEAT_LOG_S: Final = 10.0
AT_CLIENTS_WILL: Final = ("grpc._cython.cygrpc", "uvicorn.error")
"""Loggers of libraries that write a line, or a traceback, for each malformed request."""
STRAY: Final = "stderr"
"""The logger of what libraries print."""
QUIET: Final = logging.getLogger("sumflow.quiet")
"""For clients of Kafka whose exceptions are told anyway: what the library logs would be said twice."""
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
_TRACEBACK_LINES: Final = 200


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


class Stray(io.TextIOBase):
    """Makes a line of the log of each line, or traceback, that a library prints on standard error.

    A traceback's last line comes first, so that Seldom takes it for its kind.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger(STRAY)
        self._begun = ""
        self._traceback: list[str] = []

    def write(self, text: str) -> int:
        """Take what is printed; a line is told when it ends."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, lines):
            self._take(line)
        return len(text)

    def _take(self, line: str) -> None:
        if line.startswith(("Traceback", " ")) and len(self._traceback) < _TRACEBACK_LINES:
            self._traceback.append(line)
            return
        self._logger.warning("%s", "\n".join((line, *self._traceback)))
        self._traceback.clear()


@contextlib.contextmanager
def stray_lines() -> Iterator[None]:
    """Log what is printed on standard error during the block; gRPC prints a traceback for each name in no UTF-8."""
    with contextlib.redirect_stderr(Stray()):
        yield


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
    for name in (*AT_CLIENTS_WILL, STRAY):
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
