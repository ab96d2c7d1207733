"""The bus over Redis, when Redis restarts, cuts connections, hangs or refuses."""

import asyncio
import random
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from structlog.testing import capture_logs

from core.errors import StartupRefused
from streaming import redis_backend, redis_publisher
from streaming.bus import Bus, Missed
from streaming.redis_publisher import OUTBOX_BOUND
from tests.servers.redis import RedisServer
from tests.streaming.redis_buses import connected, observer
from tests.streaming.waiting import PATIENCE_S, eventually, receive, receive_until


async def visit(bus: Bus, channel: str) -> None:
    async with bus.subscribe(channel):
        pass


async def no_channels(redis: Redis) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await redis.pubsub_channels():  # noqa: ASYNC110  # another process's state
            await asyncio.sleep(0.005)


@pytest.fixture
async def bus(fragile_redis: RedisServer) -> AsyncIterator[Bus]:
    async with connected(fragile_redis.url) as bus:
        yield bus


async def test_processes_hear_each_other(redis_server: RedisServer) -> None:
    async with (
        connected(redis_server.url) as here,
        connected(redis_server.url) as there,
        here.subscribe("shared") as subscription,
    ):
        await there.publish("shared", b"hello")
        assert await receive(subscription) == b"hello"


async def test_a_process_has_two_connections(bus: Bus, fragile_redis: RedisServer) -> None:
    async def visit(number: int) -> None:
        async with bus.subscribe(f"channel {number % 10}") as subscription:
            await bus.publish(f"channel {number % 10}", b"hello")
            await receive(subscription)

    await asyncio.gather(*(visit(number) for number in range(50)))
    async with observer(fragile_redis) as redis:
        assert len(await redis.client_list()) == 2 + 1


async def test_redis_forgets_a_channel_after_its_last_subscriber(bus: Bus, fragile_redis: RedisServer) -> None:
    async with observer(fragile_redis) as redis:
        for number in range(100):
            async with asyncio.TaskGroup() as visitors:
                for visitor in range(5):
                    visitors.create_task(visit(bus, f"channel {number} {visitor}"))
        async with bus.subscribe("the last"):
            assert await redis.pubsub_channels() == [b"the last"]
        await no_channels(redis)


async def test_killing_and_restarting_redis_is_told_at_both_ends_and_costs_no_subscription(
    bus: Bus, fragile_redis: RedisServer
) -> None:
    with capture_logs() as logs:
        async with bus.subscribe("one") as first, bus.subscribe("one") as second, bus.subscribe("two") as third:
            for outage in range(3):
                fragile_redis.kill()
                subscriptions = (first, second, third)
                assert [await receive(subscription) for subscription in subscriptions] == [Missed()] * 3
                assert not bus.healthy
                fragile_redis.start()
                assert [await receive(subscription) for subscription in subscriptions] == [Missed()] * 3
                for channel in ("one", "two"):
                    await bus.publish(channel, b"%d" % outage)
                assert [await receive(subscription) for subscription in subscriptions] == [b"%d" % outage] * 3
                await eventually(lambda: bus.healthy)
    lost = "Redis connection lost; connecting again"
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == [lost] * 3


async def test_a_new_channel_works_after_a_restart(bus: Bus, fragile_redis: RedisServer) -> None:
    fragile_redis.kill()
    await eventually(lambda: not bus.healthy)
    fragile_redis.start()
    await eventually(lambda: bus.healthy)
    async with bus.subscribe("later") as subscription:
        await bus.publish("later", b"works")
        assert await receive(subscription) == b"works"


async def test_entering_during_an_outage_returns_at_once_and_misses_until_redis_is_back(
    bus: Bus, fragile_redis: RedisServer
) -> None:
    fragile_redis.kill()
    await eventually(lambda: not bus.healthy)
    started = monotonic()
    async with bus.subscribe("dark") as subscription:
        assert monotonic() - started < redis_backend.ACKNOWLEDGE_TIMEOUT_S / 2
        fragile_redis.start()
        assert await receive(subscription) == Missed()
        await bus.publish("dark", b"light")
        assert await receive(subscription) == b"light"


async def test_leaving_during_an_outage_leaves_nothing(bus: Bus, fragile_redis: RedisServer) -> None:
    async with bus.subscribe("left"), bus.subscribe("kept") as subscription:
        async with bus.subscribe("left early"):
            fragile_redis.kill()
            assert await receive(subscription) == Missed()
        fragile_redis.start()
        assert await receive(subscription) == Missed()
        async with observer(fragile_redis) as redis:
            assert sorted(await redis.pubsub_channels()) == [b"kept", b"left"]


async def test_cutting_the_subscribing_connection_gives_missed(bus: Bus, fragile_redis: RedisServer) -> None:
    async with bus.subscribe("cut") as subscription, observer(fragile_redis) as redis:
        assert await redis.client_kill_filter(_type="pubsub") == 1
        assert [await receive(subscription) for _ in range(2)] == [Missed()] * 2
        await bus.publish("cut", b"joined")
        assert await receive(subscription) == b"joined"


async def test_a_redis_that_hangs_holds_up_nobody(
    bus: Bus, fragile_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (redis_backend, "HEARTBEAT_S"),
        (redis_backend, "CONNECT_TIMEOUT_S"),
        (redis_backend, "ACKNOWLEDGE_TIMEOUT_S"),
        (redis_publisher, "SEND_TIMEOUT_S"),
    ):
        monkeypatch.setattr(module, name, 0.1)
    async with bus.subscribe("before") as before:
        fragile_redis.freeze()
        async with asyncio.timeout(1), bus.subscribe("during") as during:
            for _ in range(3 * OUTBOX_BOUND):
                await bus.publish("before", b"unheard")
            await eventually(lambda: not bus.healthy)
            fragile_redis.thaw()
            assert await receive(before) == Missed()
            assert await receive(during) == Missed()
        # Those were for the loss; what is published before it is mended may be missed, too.
        await eventually(lambda: bus.healthy)
        await bus.publish("before", b"heard")
        await receive_until(before, b"heard")
        await eventually(lambda: bus.healthy)


async def test_an_acknowledgement_that_comes_late_gives_missed(
    bus: Bus, fragile_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_backend, "ACKNOWLEDGE_TIMEOUT_S", 0.1)
    fragile_redis.freeze()
    async with asyncio.timeout(1), bus.subscribe("late") as subscription:
        fragile_redis.thaw()
        assert await receive(subscription) == Missed()
        await bus.publish("late", b"now")
        assert await receive(subscription) == b"now"


async def test_a_channel_left_before_its_acknowledgement_is_forgotten(bus: Bus, fragile_redis: RedisServer) -> None:
    fragile_redis.freeze()
    entering = asyncio.create_task(visit(bus, "hasty"))
    await asyncio.sleep(0.05)
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    fragile_redis.thaw()
    async with observer(fragile_redis) as redis:
        await no_channels(redis)


async def test_a_command_that_cannot_be_sent_costs_the_connection_and_no_subscription(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        monkeypatch.undo()
        raise OSError("injected")

    async with bus.subscribe("before") as before:
        monkeypatch.setattr(PubSub, "subscribe", fail)
        async with bus.subscribe("after") as after:
            assert await receive(before) == Missed()
            await bus.publish("after", b"heard")
            await receive_until(after, b"heard")


async def test_cuts_amid_coming_and_going_leave_a_bus_that_works(bus: Bus, fragile_redis: RedisServer) -> None:
    stop = asyncio.Event()
    dice = random.Random(7)

    async def come_and_go() -> None:
        while not stop.is_set():
            async with bus.subscribe(f"channel {dice.randrange(5)}"):
                await bus.publish("channel 0", b"noise")
                await asyncio.sleep(dice.random() * 0.01)

    async with asyncio.TaskGroup() as visitors, observer(fragile_redis) as redis:
        for _ in range(20):
            visitors.create_task(come_and_go())
        for _ in range(10):
            await asyncio.sleep(0.05)
            await redis.client_kill_filter(_type=dice.choice(["pubsub", "normal"]), skipme=True)
        stop.set()
    await asyncio.sleep(0.05)
    await eventually(lambda: bus.healthy)
    async with bus.subscribe("channel 1") as subscription, observer(fragile_redis) as redis:
        await bus.publish("channel 1", b"works")
        assert await receive(subscription) == b"works"
        assert await redis.pubsub_channels() == [b"channel 1"]
        assert len(await redis.client_list()) == 2 + 1


async def test_a_server_without_its_redis_refuses_to_start(fragile_redis: RedisServer) -> None:
    fragile_redis.kill()
    tasks = asyncio.all_tasks()
    with pytest.raises(StartupRefused, match=rf"127\.0\.0\.1:{fragile_redis.port}.*REDIS_URL"):
        await Bus.from_url(fragile_redis.url).connect()
    assert asyncio.all_tasks() == tasks


async def test_a_wrong_password_refuses_the_start_and_is_not_told() -> None:
    with RedisServer("--requirepass", "right") as server:
        url = server.url.replace("//", "//:wrong@")
        with pytest.raises(StartupRefused, match=r"invalid username-password.*REDIS_URL") as refusal:
            await Bus.from_url(url).connect()
        assert ":wrong" not in str(refusal.value)
        with pytest.raises(StartupRefused, match="Authentication required"):
            await Bus.from_url(server.url).connect()
        async with connected(server.url.replace("//", "//:right@")) as bus:
            assert bus.healthy


async def test_a_silent_server_refuses_the_start_in_time(
    fragile_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_backend, "CONNECT_TIMEOUT_S", 0.1)
    fragile_redis.freeze()
    with pytest.raises(StartupRefused, match=r"no answer within 0\.1 s"):
        await Bus.from_url(fragile_redis.url).connect()
    fragile_redis.thaw()


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:port"])
async def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(StartupRefused, match="REDIS_URL is malformed"):
        Bus.from_url(url)


async def test_options_of_the_url_do_not_turn_messages_into_text(redis_server: RedisServer) -> None:
    url = f"{redis_server.url}?decode_responses=true&protocol=3&socket_timeout=1"
    async with connected(url) as bus, bus.subscribe("options") as subscription:
        await bus.publish("options", b"\xff")
        assert await receive(subscription) == b"\xff"
