"""A bus on a Redis, and a client beside it to look and to meddle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from streaming.bus import Bus
from tests.servers.redis import RedisServer


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Bus]:
    bus = Bus.from_url(url)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.disconnect()


@asynccontextmanager
async def observer(server: RedisServer) -> AsyncIterator[Redis]:
    redis = Redis.from_url(server.url)
    try:
        yield redis
    finally:
        await redis.aclose()
