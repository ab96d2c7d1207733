"""Bringing the database to the schema that this version of the code knows, with aerich's migrations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from aerich import Command
from tortoise.context import TortoiseContext

from core.errors import StartupRefused
from models.database import credentials_of, open_connection, tortoise_config

APP = "synapse"
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# Any constant will do, as long as every version of Synapse takes the same.
MIGRATION_LOCK = 0x53594E41


@asynccontextmanager
async def _migrator(database_url: str) -> AsyncIterator[Command]:
    command = Command(tortoise_config(credentials_of(database_url), "aerich.models"), APP, str(MIGRATIONS))
    # In a context of its own, so that a pool which is open in this process stays as it is.
    async with TortoiseContext():
        await command.init()
        yield command


async def upgrade(database_url: str) -> list[str]:
    """Apply what is missing, each migration in a transaction of its own; the names of those applied, oldest first.

    Processes that migrate at the same time wait for one another; a second run finds nothing to do.
    """
    lock = await open_connection(database_url)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        async with _migrator(database_url) as command:
            return await command.upgrade()
    finally:
        await lock.close()


async def generate(database_url: str, name: str) -> str | None:
    """Write the migration that takes the newest one's schema to today's models; None when they agree."""
    async with _migrator(database_url) as command:
        return await command.migrate(name, no_input=True) or None


def known_migrations() -> list[str]:
    """The file names of this version's migrations, oldest first."""
    return sorted(
        (file.name for file in (MIGRATIONS / APP).glob("[0-9]*_*.py")), key=lambda name: int(name.split("_", 1)[0])
    )


async def require_current(database_url: str) -> None:
    """Raises StartupRefused unless the database stands exactly at this version's newest migration."""
    connection = await open_connection(database_url)
    try:
        applied = {row["version"] for row in await connection.fetch("SELECT version FROM aerich WHERE app = $1", APP)}
    except asyncpg.UndefinedTableError:
        applied = set()
    finally:
        await connection.close()
    known = set(known_migrations())
    if unknown := sorted(applied - known):
        raise StartupRefused(
            f"The database is newer than this version of Synapse (it has {unknown[-1]}). Deploy the newer version."
        )
    if missing := sorted(known - applied):
        raise StartupRefused(
            f"The database lacks {len(missing)} migration(s), up to {missing[-1]}. Run: synapse migrate"
        )
