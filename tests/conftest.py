"""What all tests share: a PostgreSQL server per session, a migrated database per process."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from models import database
from tests.servers.postgres import URL_VARIABLE, TestPostgres, create_database, drop_database

_POSTGRES = pytest.StashKey[TestPostgres]()


def pytest_configure(config: pytest.Config) -> None:
    if URL_VARIABLE in os.environ or config.option.collectonly or config.option.help:
        return
    server = TestPostgres()
    asyncio.run(server.prepare())
    os.environ[URL_VARIABLE] = server.url
    config.stash[_POSTGRES] = server


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_POSTGRES, None)
    if server is not None:
        os.environ.pop(URL_VARIABLE)
        server.remove()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> TestPostgres:
    """The session's server, for tests that break it; these must be alone in the session."""
    return request.config.stash[_POSTGRES]


@pytest.fixture(scope="session")
async def database_url(worker_id: str) -> AsyncIterator[str]:
    """A migrated database that this test process has to itself. Tests keep apart by making their own workspaces."""
    name = f"test_{worker_id}"
    yield await create_database(name)
    await drop_database(name)


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[None]:
    """The application's pool on that database, for tests below the API."""
    await database.connect(database_url, pool_size=10)
    yield
    await database.close()
