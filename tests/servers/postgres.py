"""One embedded PostgreSQL for the whole test session, shared by all its processes, each with a database of its own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from models import migrate
from models.database import open_connection
from models.embedded import start_postgres

TEMPLATE = "synapse_template"
# Set in the first process and inherited by pytest-xdist's workers.
URL_VARIABLE = "SYNAPSE_TEST_POSTGRES_URL"


class TestPostgres:
    """The server, owned by the process that started it."""

    __test__ = False

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="synapse-test-postgres-"))
        self._start()

    async def prepare(self) -> None:
        """Trade durability for speed, admit the pools of many processes, and migrate the template."""
        connection = await open_connection(self.url)
        for setting in ("fsync = off", "synchronous_commit = off", "max_connections = 500"):
            await connection.execute(f"ALTER SYSTEM SET {setting}")
        await connection.close()
        self.stop()
        self._start()
        connection = await open_connection(self.url)
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        await connection.close()
        await migrate.upgrade(named(self.url, TEMPLATE))

    def _start(self) -> None:
        self._server = start_postgres(self._directory / "data")
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        self._server.cleanup()

    def interrupt(self, mode: str) -> None:
        """Stop it as pg_ctl does in that ``mode``: ``fast`` ends what goes on, ``immediate`` is as good as a crash."""
        arguments = ["-w", "-D", str(self._directory / "data"), "-m", mode, "stop"]
        pg_ctl = str(self._server.bin_path / "pg_ctl")
        subprocess.run([pg_ctl, *arguments], check=True, capture_output=True, user=self._server.system_user)

    def resume(self) -> None:
        """Start it again, under the same URL; returns once it answers."""
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


def named(url: str, database: str) -> str:
    """``url`` with another database's name."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


async def create_database(name: str, template: str = TEMPLATE) -> str:
    """The URL of a fresh database; migrated, unless ``template`` says otherwise (``template0``: empty)."""
    url = os.environ[URL_VARIABLE]
    connection = await open_connection(url)
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    # Copies of one template may not overlap, so processes take turns.
    await connection.execute("SELECT pg_advisory_lock(1)")
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await connection.close()
    return named(url, name)


async def drop_database(name: str) -> None:
    connection = await open_connection(os.environ[URL_VARIABLE])
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.close()
