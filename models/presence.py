"""Which processes serve this database: without Redis to connect them there may be but one.

Each process holds an advisory lock on a connection of its own for as long as it lives, however it dies: shared by
processes that have Redis, exclusive for one that has not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.errors import StartupRefused
from models.database import open_connection

# Any constant will do, as long as every version of Synapse takes the same.
PRESENCE_LOCK = 0x53594E50


@asynccontextmanager
async def presence(database_url: str, *, alone: bool) -> AsyncIterator[None]:
    """Holds this process's place for the length of the block. ``alone``: it has no bus that reaches others.

    Raises:
        StartupRefused: another process is there, and one of the two is without Redis.
    """
    take = "SELECT pg_try_advisory_lock($1)" if alone else "SELECT pg_try_advisory_lock_shared($1)"
    connection = await open_connection(database_url)
    try:
        if not await connection.fetchval(take, PRESENCE_LOCK):
            raise StartupRefused(
                "Another process serves this database. Set REDIS_URL, the same for each of them, so that they can talk."
            )
        yield
    finally:
        await connection.close()
