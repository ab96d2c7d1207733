"""A running server under other settings, for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from resolvers.context import Runtime
from streaming.buckets import LocalBuckets
from tests.servers.app import Server


@contextmanager
def changed(server: Server, **settings: Any) -> Iterator[Runtime]:
    """What requests find within the block: these settings, and buckets in which nothing is yet."""
    before: Runtime = server.app.state.runtime
    after = replace(before, settings=before.settings.model_copy(update=settings), buckets=LocalBuckets())
    server.app.state.runtime = after
    try:
        yield after
    finally:
        server.app.state.runtime = before
