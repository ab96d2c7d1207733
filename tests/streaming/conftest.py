"""What tests of streams share."""

from collections.abc import AsyncIterator

import pytest

from models.runs import Run
from streaming.bus import Bus
from tests.servers.redis import RedisServer
from tests.servers.redis import fragile_redis as fragile_redis
from tests.servers.redis import redis_server as redis_server
from tests.streaming.runs import make_run


@pytest.fixture
async def memory_bus() -> AsyncIterator[Bus]:
    bus = Bus.from_url(None)
    async with bus:
        yield bus


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest, redis_server: RedisServer) -> AsyncIterator[Bus]:
    """One with each backend."""
    bus = Bus.from_url(redis_server.url if request.param == "redis" else None)
    async with bus:
        yield bus


@pytest.fixture
async def run(pool: None) -> Run:
    """As `make_run` makes it."""
    return await make_run()
