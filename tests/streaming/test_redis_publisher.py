"""Publishing to Redis: in order, in the background, and again after a failure."""

import asyncio

from structlog.testing import capture_logs

from streaming.bus import Missed
from streaming.redis_publisher import OUTBOX_BOUND
from tests.servers.redis import RedisServer
from tests.streaming.redis_buses import connected, observer
from tests.streaming.waiting import eventually, receive, receive_until


async def test_what_is_published_is_sent_before_the_bus_closes(redis_server: RedisServer) -> None:
    messages = [b"%d" % number for number in range(200)]
    async with connected(redis_server.url) as here, here.subscribe("farewell") as subscription:
        async with connected(redis_server.url) as there:
            for message in messages:
                await there.publish("farewell", message)
        assert await receive_until(subscription, messages[-1]) == messages


async def test_cutting_the_idle_publishing_connection_costs_nothing(fragile_redis: RedisServer) -> None:
    async with (
        connected(fragile_redis.url) as bus,
        bus.subscribe("cut") as subscription,
        observer(fragile_redis) as redis,
    ):
        await bus.publish("cut", b"before")
        assert await receive(subscription) == b"before"
        assert await redis.client_kill_filter(_type="normal", skipme=True) == 1
        await asyncio.sleep(0.05)
        with capture_logs() as logs:
            await bus.publish("cut", b"after")
            assert await receive(subscription) == b"after"
        assert logs == []


async def test_an_outage_keeps_the_newest_messages_and_counts_the_others(fragile_redis: RedisServer) -> None:
    async with connected(fragile_redis.url) as bus:
        fragile_redis.kill()
        await eventually(lambda: not bus.healthy)
        with capture_logs() as logs:
            for number in range(2 * OUTBOX_BOUND + 500):
                async with asyncio.timeout(1):
                    await bus.publish("full", b"%d" % number)
            # One queue full is on its way already, and tried again and again; another one waits.
            assert bus.dropped == 500
            fragile_redis.start()
            async with bus.subscribe("full") as subscription:
                assert await receive(subscription) == Missed()
                await bus.publish("full", b"the last")
                await receive_until(subscription, b"the last")
            await eventually(lambda: bus.healthy)
        assert [log["event"] for log in logs].count("publishing to Redis fails; trying again") == 1
