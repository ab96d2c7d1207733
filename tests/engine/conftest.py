"""Databases with the durable engine's tables, for this test process."""

from collections.abc import AsyncIterator

import pytest

from engine import durable
from streaming.bus import Bus
from tests.engine.lab import Lab, execute_sql, make_lab
from tests.servers.postgres import create_database, drop_database
from tests.servers.redis import redis_server as redis_server


@pytest.fixture(scope="session")
async def durable_url(worker_id: str) -> AsyncIterator[str]:
    """A database that holds DBOS's tables and nothing else."""
    name = f"durable_{worker_id}"
    url = await create_database(name, template="template0")
    await durable.migrate(url)
    yield url
    await drop_database(name)


@pytest.fixture(scope="session")
async def migrated_url(database_url: str, pool: None) -> str:
    """The application's database, with DBOS's tables besides."""
    await durable.migrate(database_url)
    return database_url


@pytest.fixture
async def url(migrated_url: str) -> str:
    """The same with an empty queue: executors take whatever they find."""
    await execute_sql(
        migrated_url, "UPDATE runs SET status = 'CANCELLED' WHERE status IN ('QUEUED', 'RUNNING', 'WAITING')"
    )
    return migrated_url


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus.from_url(None)
    async with bus:
        yield bus


@pytest.fixture
async def lab(pool: None, bus: Bus) -> Lab:
    return await make_lab(bus)
