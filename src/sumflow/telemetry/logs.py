"""Structured logs: one JSON object a line on standard error, so that a collector needs no parser of its own."""

from __future__ import annotations

import logging
import sys

import structlog


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
