"""The whole server, for tests that are clients of it."""

from collections.abc import AsyncIterator

import pytest

from models import database
from tests.e2e.endpoint import add_probe
from tests.servers.app import Server, serve, settings_for


@pytest.fixture(scope="session")
async def server(database_url: str, pool: None) -> AsyncIterator[Server]:
    """A server without an executor, on this test process's database. Tests below the API share its pool meanwhile."""
    await database.close()
    async with serve(settings_for(database_url)) as running:
        add_probe(running)
        yield running
    await database.connect(database_url, pool_size=10)
