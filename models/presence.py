"""Which processes serve this database: without Redis to connect them there may be but one.

Each process holds an advisory lock on a connection of its own for as long as it lives, however it dies: shared by
processes that have Redis, exclusive for one that has not. One that loses the connection takes the lock again as soon as
it can; should somebody else have come in between, it goes on, and says so in its log until that is over.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from core.errors import StartupRefused
from models.standing import SessionConnection, Standing, connect, keep

# Any constant will do, as long as every version of Synapse takes the same.
PRESENCE_LOCK = 0x53594E50
# A process that was killed a moment ago may still be on its way out.
PATIENCE = "1s"

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def presence(database_url: str, *, alone: bool) -> AsyncIterator[None]:
    """Holds this process's place for the length of the block. ``alone``: it has no bus that reaches others.

    Raises:
        StartupRefused: another process is there, and one of the two is without Redis.
    """
    lock = "pg_advisory_lock" if alone else "pg_advisory_lock_shared"

    async def take(connection: SessionConnection) -> None:
        await connection.execute(f"SET lock_timeout = '{PATIENCE}'")
        await connection.execute(f"SELECT {lock}($1)", PRESENCE_LOCK)

    async def take_again(connection: SessionConnection) -> None:
        try:
            await take(connection)
        except asyncpg.LockNotAvailableError:
            _log.error("another process serves this database, and one of the two is without REDIS_URL")
            raise

    try:
        connection = await connect(database_url, take)
    except asyncpg.LockNotAvailableError:
        raise StartupRefused(
            "Another process serves this database. Set REDIS_URL, the same for each of them, so that they can talk."
        ) from None
    keeping = asyncio.create_task(keep(database_url, take_again, Standing(), connection))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        # A task that is cancelled before it has begun does not see to it.
        connection.terminate()
