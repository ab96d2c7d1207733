"""An executor's surroundings: a database with an empty queue, a bus, and somebody who may start runs."""

from collections.abc import AsyncIterator

import pytest

from streaming.bus import Bus
from tests.engine.lab import Lab, execute_sql, make_lab
from tests.servers.redis import redis_server as redis_server


@pytest.fixture
async def url(database_url: str, pool: None) -> str:
    """The application's database with an empty queue: executors take whatever they find."""
    await execute_sql(
        database_url, "UPDATE runs SET status = 'CANCELLED' WHERE status IN ('QUEUED', 'RUNNING', 'WAITING')"
    )
    return database_url


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus.from_url(None)
    async with bus:
        yield bus


@pytest.fixture
async def lab(pool: None, bus: Bus) -> Lab:
    return await make_lab(bus)
