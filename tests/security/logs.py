"""What the server writes to its logs meanwhile."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

import structlog

from core.logs import configure_logs


@contextmanager
def logged() -> Iterator[StringIO]:
    """All that is logged within the block, from debug upwards and with tracebacks, as `synapse serve` writes it."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    # Without them for the moment, as setting logs up closes the handlers that there are.
    root.handlers.clear()
    with redirect_stdout(StringIO()) as output:
        configure_logs("debug", "json")
        try:
            yield output
        finally:
            structlog.configure(**config)
            root.handlers[:] = handlers
            root.setLevel(level)
