"""Which processes serve this database: without Redis to connect them there may be but one.

Each process holds an advisory lock on a connection of its own for as long as it lives, however it dies: shared by
processes that have Redis, exclusive for one that has not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from core.errors import StartupRefused
from models.database import open_connection

# Any constant will do, as long as every version of Synapse takes the same.
PRESENCE_LOCK = 0x53594E50
# A process that was killed a moment ago may still be on its way out.
PATIENCE = "1s"


@asynccontextmanager
async def presence(database_url: str, *, alone: bool) -> AsyncIterator[None]:
    """Holds this process's place for the length of the block. ``alone``: it has no bus that reaches others.

    Raises:
        StartupRefused: another process is there, and one of the two is without Redis.
    """
    lock = "pg_advisory_lock" if alone else "pg_advisory_lock_shared"
    connection = await open_connection(database_url)
    try:
        await connection.execute(f"SET lock_timeout = '{PATIENCE}'")
        await connection.execute(f"SELECT {lock}($1)", PRESENCE_LOCK)
        yield
    except asyncpg.LockNotAvailableError:
        raise StartupRefused(
            "Another process serves this database. Set REDIS_URL, the same for each of them, so that they can talk."
        ) from None
    finally:
        await connection.close()
