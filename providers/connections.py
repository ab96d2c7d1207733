"""The HTTP connections of a process to its providers: one pool, which all adapters share."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp

from core.ticks import Ticks
from providers.guard import guarded_socket

IDLE_S = 55.0
"""How long a connection is kept for the next call. Most who stand before providers keep one for a minute or more, and a
new one costs some round trips, and over TLS more than that.
"""


@dataclass(slots=True)
class Attempt:
    """One try to send a request, to be given as its ``trace_request_ctx``; ``reused``: on a connection that has
    served others before.
    """

    reused: bool = False


# Where the answers that arrive in the current context are noted, if anywhere.
_noted: ContextVar[list[aiohttp.ClientResponse] | None] = ContextVar("_noted", default=None)


class Connections:
    """The pool. It opens with the first request; closing it breaks the answers that are still being read.

    ``public_only``: for addresses that tenants name. Connecting to any that is not public raises `PrivateAddress`,
    which arrives as aiohttp's error for connections that fail.
    """

    def __init__(self, *, public_only: bool = False) -> None:
        self.public_only = public_only
        # How many answers are being read, and by what those wait who are.
        self.busy = 0
        self.ticks = Ticks()
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_reuseconn.append(_note_reuse)
            tracing.on_request_end.append(_note_answer)
            self._session = aiohttp.ClientSession(
                connector=AbruptConnector(
                    keepalive_timeout=IDLE_S,
                    limit=0,  # how many calls run at once is decided by who starts them
                    socket_factory=guarded_socket if self.public_only else None,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[tracing],
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


@contextmanager
def noting_answers() -> Iterator[list[aiohttp.ClientResponse]]:
    """The answers that arrive within the block, for who is to hang up but is not handed them."""
    answers: list[aiohttp.ClientResponse] = []
    token = _noted.set(answers)
    try:
        yield answers
    finally:
        _noted.reset(token)


async def hang_up(response: aiohttp.ClientResponse) -> None:
    """Close the connection of an answer that has not ended, and return once it is closed.

    A finished answer has given its connection back already.
    """
    if response.connection is None:
        return
    response.close()
    await asyncio.sleep(0)  # the loop closes the socket in its next round


class AbruptConnector(aiohttp.TCPConnector):
    """Breaks off the connections whose answers are not read to their end, whoever closes them and why.

    aiohttp would close them in good order, and over TLS await the provider's good-bye, while that goes on generating.
    """

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        if should_close:
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)


async def _note_reuse(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceConnectionReuseconnParams
) -> None:
    if isinstance(context.trace_request_ctx, Attempt):
        context.trace_request_ctx.reused = True


async def _note_answer(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    answers = _noted.get()
    if answers is not None:
        answers.append(params.response)
