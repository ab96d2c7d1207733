"""Redis dies, comes back empty, forgets. It carries hints alone, so readers may get events later, and all of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from tests.chaos.experiment import Experiment
from tests.chaos.figures import percentile
from tests.chaos.load import Plan
from tests.servers.redis import RedisServer

AWAY_S = 3.0
# Until all processes are back at it.
RECOVERY_S = 1.0
LAG_S = 1.0


async def be_away(redis: RedisServer) -> None:
    redis.kill()
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(redis.start)


async def restart(redis: RedisServer) -> None:
    await asyncio.to_thread(redis.restart)


async def be_flushed(redis: RedisServer) -> None:
    client = Redis.from_url(redis.url)
    try:
        await client.flushall()
        for kind in ("pubsub", "normal"):
            await client.client_kill_filter(_type=kind, skipme=True)
    finally:
        await client.aclose()


@pytest.mark.parametrize("fault", [be_away, restart, be_flushed])
async def test_streams_go_on_without_redis(
    experiment: Experiment, fault: Callable[[RedisServer], Awaitable[None]]
) -> None:
    async with experiment.load(Plan(restless_readers=0)) as load:
        began = time.time()
        await fault(experiment.cluster.redis)
        ended = time.time()
    assert not load.client_errors
    assert [reader.connections for reader in load.readers] == [1] * len(load.readers), "nobody lost the connection"
    lags_s = [lag.seconds for lag in experiment.lags if began <= lag.said_at <= ended + RECOVERY_S]
    experiment.figures.lags_without_redis_s += lags_s
    experiment.judge("reading without Redis", percentile(lags_s, 99), LAG_S)
