"""Structured logs, set up once per process by whoever composes it."""

import logging
import sys

import structlog


def configure_logs(level: str, log_format: str) -> None:
    """Log from ``level`` upwards to standard output: as lines of JSON for ``json``, as text for ``console``.

    Whatever is bound with `structlog.contextvars`, the request id for one, stands in every line of that task. Libraries
    that log with the standard library's `logging` write the same lines, from warnings upwards, with their ``logger``.
    """
    to_console = log_format == "console"
    renderer: structlog.typing.Processor = (
        # The default formatter of tracebacks takes a second, and prints local variables, secrets among them.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if to_console
        else structlog.processors.JSONRenderer()
    )
    tracebacks = [] if to_console else [structlog.processors.format_exc_info]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *tracebacks, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tracebacks, renderer],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)
