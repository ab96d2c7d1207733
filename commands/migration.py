"""Writes the migration that takes the newest one's schema to today's models: python -m commands.migration NAME"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from commands.development import postgres
from commands.terminal import say
from models import migrate


async def main(name: str) -> None:
    with TemporaryDirectory(prefix="synapse-migration-") as folder, postgres(Path(folder)) as database_url:
        await migrate.upgrade(database_url)
        written = await migrate.generate(database_url, name)
    say(f"Wrote {migrate.MIGRATIONS / migrate.APP / written}" if written else "The models have not changed.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
