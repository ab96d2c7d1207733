"""Structured logs, set up once per process by whoever composes it."""

import logging

import structlog


def configure_logs(level: str, log_format: str) -> None:
    """Log from ``level`` upwards to standard output: as lines of JSON for ``json``, as text for ``console``.

    Whatever is bound with `structlog.contextvars`, the request id for one, stands in every line of that task.
    """
    to_console = log_format == "console"
    renderer: structlog.typing.Processor = (
        # The default formatter of tracebacks takes a second, and prints local variables, secrets among them.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if to_console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if to_console else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,
    )
