"""`synapse migrate`: brings a database to the schema of this version."""

import asyncio
from argparse import Namespace

from commands.configuration import read_settings
from commands.terminal import say
from models import migrate
from models.database import require_reachable


def run(arguments: Namespace) -> int:
    # Keys are not needed here, so nobody has to give them to a job that migrates.
    settings = read_settings(secret_keys="")
    asyncio.run(migrate_database(settings.database_url))
    return 0


async def migrate_database(database_url: str) -> None:
    """Applies what is missing, and says so; again without harm."""
    await require_reachable(database_url)
    applied = await migrate.upgrade(database_url)
    for name in applied:
        say(f"Applied {name}")
    if not applied:
        say("The database is up to date.")
