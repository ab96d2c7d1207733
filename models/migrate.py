"""Bringing the database to the schema that this version of the code knows, with aerich's migrations.

Migrations run beside servers of the version before, which go on serving meanwhile. So a migration only adds what older
code can live with; one that takes something away belongs in a later release, when nobody uses it any more, and is named
``contract_...``: a server that meets it is no longer ready. No server starts on a database that has migrations which it
does not know.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from aerich import Command
from tortoise.context import TortoiseContext
from tortoise.exceptions import OperationalError

from core.errors import StartupRefused
from models.app_role import ensure_app_role
from models.database import credentials_of, open_connection, tortoise_config

APP = "synapse"
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# Any constant will do, as long as every version of Synapse takes the same.
MIGRATION_LOCK = 0x53594E41
LOCK_POLL_S = 0.1
# A migration that waits for a table's lock holds up all who come after it, so it gives up before they do.
TABLE_LOCK_TIMEOUT_MS = 10_000

APPLIED = f"SELECT version FROM aerich WHERE app = '{APP}'"


@asynccontextmanager
async def one_at_a_time(database_url: str) -> AsyncIterator[None]:
    """Waits until nobody else migrates this database, and keeps others waiting until the block ends."""
    connection = await open_connection(database_url)
    try:
        # Asking again and again, because a statement that waits has a snapshot, and whoever creates an index
        # concurrently waits for all snapshots: the holder of this lock might wait for us.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", MIGRATION_LOCK):  # noqa: ASYNC110
            await asyncio.sleep(LOCK_POLL_S)
        yield
    finally:
        await connection.close()


@asynccontextmanager
async def _migrator(database_url: str, migrations: Path) -> AsyncIterator[Command]:
    credentials = credentials_of(database_url) | {"server_settings": {"lock_timeout": str(TABLE_LOCK_TIMEOUT_MS)}}
    command = Command(tortoise_config(credentials, "aerich.models"), APP, str(migrations))
    # In a context of its own, so that a pool which is open in this process stays as it is.
    async with TortoiseContext():
        await command.init()
        yield command


async def upgrade(database_url: str, migrations: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing, each migration in a transaction of its own; the names of those applied, oldest first.

    Processes that migrate at the same time wait for one another; a second run finds nothing to do.

    Raises:
        StartupRefused: the application's role is missing and can't be made, the database is of a newer version, or a
            migration failed. Of the migration that failed nothing is left, those before it stay.
    """
    async with one_at_a_time(database_url):
        _refuse_newer(await _applied(database_url))
        await ensure_app_role(database_url)
        async with _migrator(database_url, migrations) as command:
            try:
                return await command.upgrade()
            except (OperationalError, asyncpg.PostgresError) as error:
                raise StartupRefused(f"A migration failed and was undone: {error}") from error


async def generate(database_url: str, name: str) -> str | None:
    """Write the migration that takes the newest one's schema to today's models; None when they agree."""
    async with _migrator(database_url, MIGRATIONS) as command:
        return await command.migrate(name, no_input=True) or None


def known_migrations() -> list[str]:
    """The file names of this version's migrations, oldest first."""
    return _in_order(file.name for file in (MIGRATIONS / APP).glob("[0-9]*_*.py"))


def missing_from(applied: set[str]) -> list[str]:
    """The migrations of this version that are not among those ``applied``, oldest first."""
    return _in_order(set(known_migrations()) - applied)


def unknown_in(applied: set[str]) -> list[str]:
    """The migrations among those ``applied`` that a newer version brought, oldest first."""
    return _in_order(applied - set(known_migrations()))


def left_behind_by(applied: set[str]) -> list[str]:
    """Those of them that took away what this version may need."""
    return [name for name in unknown_in(applied) if name.split("_", 2)[-1].startswith("contract_")]


def _refuse_newer(applied: set[str]) -> None:
    if unknown := unknown_in(applied):
        raise StartupRefused(
            f"The database is newer than this version of Synapse (it has {unknown[-1]}). Deploy the newer version."
        )


async def require_current(database_url: str) -> None:
    """Raises StartupRefused unless the database stands exactly at this version's newest migration."""
    applied = await _applied(database_url)
    _refuse_newer(applied)
    if missing := missing_from(applied):
        raise StartupRefused(
            f"The database lacks {len(missing)} migration(s), up to {missing[-1]}. Run: synapse migrate"
        )


async def _applied(database_url: str) -> set[str]:
    connection = await open_connection(database_url)
    try:
        return {row["version"] for row in await connection.fetch(APPLIED)}
    except asyncpg.UndefinedTableError:
        return set()
    finally:
        await connection.close()


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: int(name.split("_", 1)[0]))
