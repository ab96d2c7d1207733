"""A database with the durable engine's tables, for this test process."""

from collections.abc import AsyncIterator

import pytest

from engine import durable
from tests.servers.postgres import create_database, drop_database


@pytest.fixture(scope="session")
async def durable_url(worker_id: str) -> AsyncIterator[str]:
    """A database that holds DBOS's tables and nothing else."""
    name = f"durable_{worker_id}"
    url = await create_database(name, template="template0")
    await durable.migrate(url)
    yield url
    await drop_database(name)
