"""`synapse rotate-keys`: wraps the keys of all stored secrets with the newest of SECRET_KEYS."""

import asyncio
from argparse import Namespace

from commands.configuration import read_settings
from commands.terminal import CommandFailed, say
from core.envelopes import Envelopes
from core.settings import Settings
from models import database, migrate
from services.provider_credentials import Rotation, rotate_keys


def run(arguments: Namespace) -> int:
    rotation = asyncio.run(_rotate(read_settings()))
    say(f"Wrapped {rotation.rewrapped} credential(s) anew.")
    if rotation.unreadable:
        faults = ", ".join(f"{count} with {kid}" for kid, count in sorted(rotation.unreadable.items()))
        raise CommandFailed(
            f"Some could not be opened: {faults}. Put the missing keys back behind the newest one, and run this again;"
            " or have these credentials set again."
        )
    return 0


async def _rotate(settings: Settings) -> Rotation:
    envelopes = Envelopes.parse(settings.secret_keys.get_secret_value())
    await database.require_reachable(settings.database_url)
    await migrate.require_current(settings.database_url)
    await database.connect(settings.database_url, pool_size=2)
    try:
        return await rotate_keys(envelopes)
    finally:
        await database.close()
