"""A PostgreSQL server as one rents it: nobody but its owner has a superuser, and none of our roles is there yet."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from models.database import open_connection
from models.embedded import start_postgres
from tests.servers.postgres import named

LOGIN = "tenant"


@dataclass(frozen=True)
class Rented:
    """A database: by ``url`` as the login role that owns it, by ``admin_url`` as the superuser."""

    url: str
    admin_url: str


@pytest.fixture(scope="module")
def landlord() -> Iterator[str]:
    """The superuser's URL of a server of its own."""
    directory = Path(tempfile.mkdtemp(prefix="synapse-test-postgres-"))
    server = start_postgres(directory / "data")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def rented(landlord: str) -> AsyncIterator[Rented]:
    """An empty database, whose owner may make roles and little else."""
    name = f"rented_{uuid4().hex}"
    admin = await open_connection(landlord)
    await admin.execute(f"CREATE ROLE {LOGIN} LOGIN CREATEROLE")
    await admin.execute(f"CREATE DATABASE {name} OWNER {LOGIN}")
    admin_url = named(landlord, name)
    yield Rented(urlsplit(admin_url)._replace(netloc=f"{LOGIN}@").geturl(), admin_url)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.execute("DROP ROLE IF EXISTS synapse_app")
    await admin.execute(f"DROP ROLE {LOGIN}")
    await admin.close()
