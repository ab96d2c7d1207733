"""Connections outside the pool that stand for as long as a process does: for advisory locks, and to listen."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import asyncpg
import structlog

from models.database import is_transient, open_connection

SessionConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

RECONNECT_S = (0.1, 2.0)
CONNECT_S = 5.0
PING_S = 3.0
"""How often, and how long: who is cut off knows within 6 s, before the server frees the locks."""

# When a machine vanishes, the server finds out within 11 s; by its system's defaults the locks would stay for 2 hours.
_KEEP_ALIVE = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"

_log = structlog.get_logger(__name__)


class Standing:
    """Whether a connection that is kept stands now. ``since``: the event loop's time at which it was last made anew,
    and minus infinity for the first one.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._was_lost = False
        self.since = -math.inf

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        """Until it stands."""
        await self._event.wait()

    def begin(self) -> None:
        if self._was_lost:
            self.since = asyncio.get_running_loop().time()
        self._event.set()

    def end(self) -> None:
        self._was_lost |= self._event.is_set()
        self._event.clear()


async def connect(database_url: str, prepare: Callable[[SessionConnection], Awaitable[None]]) -> SessionConnection:
    """A connection for which ``prepare`` has done what is to hold as long as it stands, such as taking a lock.

    Raises OSError, TimeoutError, or one of asyncpg's errors.
    """
    async with asyncio.timeout(CONNECT_S):
        connection = await open_connection(database_url)
        try:
            await connection.execute(_KEEP_ALIVE)
            await prepare(connection)
        except BaseException:
            connection.terminate()
            raise
    return connection


async def keep(
    database_url: str,
    prepare: Callable[[SessionConnection], Awaitable[None]],
    standing: Standing,
    connection: "SessionConnection | None" = None,
) -> None:
    """Keep such a connection until cancelled, beginning with ``connection``: one that is lost is made anew, whatever
    was the matter with it. Who lost it for good would live on without a lock, and hear nothing.
    """
    delay = RECONNECT_S[0]
    while True:
        try:
            connection = connection or await connect(database_url, prepare)
            standing.begin()
            await _until_lost(connection)
        except Exception as error:
            is_known = is_transient(error) or isinstance(error, asyncpg.PostgresError)
            _log.warning("a connection that has to stand was lost", error=repr(error), exc_info=not is_known)
        finally:
            if connection is not None:
                connection.terminate()
        delay = RECONNECT_S[0] if standing.is_set() else min(delay * 2, RECONNECT_S[1])
        standing.end()
        connection = None
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))


async def _until_lost(connection: SessionConnection) -> None:
    """Returns never, but fails as soon as the connection is known to be lost."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _connection: lost.set())
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(PING_S):
                await lost.wait()
        # A connection that died in silence shows only when it is used.
        await connection.execute("SELECT 1", timeout=PING_S)
