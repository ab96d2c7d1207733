"""What every bus does, whichever backend it has."""

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from streaming.bus import Bus, Missed
from streaming.redis_publisher import OUTBOX_BOUND
from streaming.subscription import QUEUE_BOUND, QUEUE_BYTES, Message, Subscription
from tests.streaming.waiting import PATIENCE_S, is_silent, receive, receive_until


@pytest.fixture
def channel() -> str:
    return f"run:{uuid4()}"


async def test_the_first_subscription_receives_what_is_published_right_after_it(bus: Bus, channel: str) -> None:
    async with bus.subscribe(channel) as subscription:
        await bus.publish(channel, b"first")
        assert await receive(subscription) == b"first"


async def test_messages_arrive_in_the_order_of_publishing(bus: Bus, channel: str) -> None:
    messages = [b"%d" % number for number in range(200)]
    async with bus.subscribe(channel) as subscription:
        for message in messages:
            await bus.publish(channel, message)
        assert await receive_until(subscription, messages[-1]) == messages


async def test_fifty_may_subscribe_to_one_channel_at_once(bus: Bus, channel: str) -> None:
    async with AsyncExitStack() as stack:
        entering = [stack.enter_async_context(bus.subscribe(channel)) for _ in range(50)]
        subscriptions = await asyncio.gather(*entering)
        await bus.publish(channel, b"to all")
        assert [await receive(subscription) for subscription in subscriptions] == [b"to all"] * 50
        assert all([await is_silent(subscription, 0.001) for subscription in subscriptions])


@pytest.mark.parametrize("message", [b"\xff\xfe\x00\x80", b"", b"\r\n", bytes(range(256)) * 1024])
async def test_messages_are_any_bytes(bus: Bus, channel: str, message: bytes) -> None:
    async with bus.subscribe(channel) as subscription:
        await bus.publish(channel, message)
        await bus.publish(channel, b"the next")
        assert await receive(subscription) == message
        assert await receive(subscription) == b"the next"


async def test_channels_keep_apart(bus: Bus, channel: str) -> None:
    async with bus.subscribe(channel) as mine, bus.subscribe(f"{channel} \N{SNOWMAN}") as other:
        await bus.publish(channel, b"mine")
        await bus.publish(f"{channel} \N{SNOWMAN}", b"other")
        assert (await receive(mine), await receive(other)) == (b"mine", b"other")
        assert await is_silent(mine)
        assert await is_silent(other)


async def test_a_slow_subscriber_loses_the_oldest_is_told_once_and_slows_nobody(bus: Bus, channel: str) -> None:
    messages = [b"%d" % number for number in range(QUEUE_BOUND + 100)]
    async with bus.subscribe(channel) as slow, bus.subscribe(channel) as quick:
        for message in messages:
            await bus.publish(channel, message)
            assert await receive(quick) == message
        assert await receive(slow) == Missed()
        assert await receive_until(slow, messages[-1]) == messages[-QUEUE_BOUND:]
        await bus.publish(channel, b"caught up")
        assert await receive(slow) == b"caught up"


async def test_a_slow_subscriber_holds_few_of_messages_that_are_large(bus: Bus, channel: str) -> None:
    messages = [b"%d" % number + bytes(QUEUE_BYTES // 4) for number in range(20)]
    async with bus.subscribe(channel) as slow, bus.subscribe(channel) as quick:
        for message in messages:
            await bus.publish(channel, message)
            assert await receive(quick) == message
        assert await receive(slow) == Missed()
        assert await receive_until(slow, messages[-1]) == messages[-3:]


async def test_a_burst_does_not_overflow_a_subscriber_who_keeps_up(bus: Bus, channel: str) -> None:
    messages = [b"%d" % number for number in range(5 * OUTBOX_BOUND)]
    async with bus.subscribe(channel) as subscription:
        reading = asyncio.create_task(receive_until(subscription, messages[-1]))
        for message in messages:
            await bus.publish(channel, message)
        assert await reading == messages


async def test_cancelling_a_wait_loses_nothing(bus: Bus, channel: str) -> None:
    async with bus.subscribe(channel) as subscription:
        waiting = asyncio.create_task(subscription.get())
        await asyncio.sleep(0)
        await bus.publish(channel, b"kept")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert await receive(subscription) == b"kept"


async def test_a_cancelled_subscriber_leaves_the_others_alone(bus: Bus, channel: str) -> None:
    async def subscribe_and_wait() -> None:
        async with bus.subscribe(channel) as subscription:
            await subscription.get()

    async with bus.subscribe(channel) as survivor:
        tasks = [asyncio.create_task(subscribe_and_wait()) for _ in range(10)]
        for rounds, task in enumerate(tasks):
            for _ in range(rounds):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.publish(channel, b"still here")
        assert await receive(survivor) == b"still here"


async def test_a_channel_works_when_left_and_entered_again_at_once(bus: Bus, channel: str) -> None:
    for number in range(100):
        async with asyncio.timeout(0.5), bus.subscribe(channel) as subscription:
            await bus.publish(channel, b"%d" % number)
            # What was published for the one before may still be on its way.
            assert (await receive_until(subscription, b"%d" % number)).count(Missed()) == 0


async def test_subscribers_come_and_go_without_a_trace(bus: Bus, channel: str) -> None:
    tasks = asyncio.all_tasks()

    async def visit(name: str) -> None:
        async with bus.subscribe(name):
            await bus.publish(name, b"hello")

    for number in range(100):
        await asyncio.gather(*(visit(f"{channel}:{number}:{visitor}") for visitor in range(5)))
    assert asyncio.all_tasks() == tasks
    assert bus._subscriptions == {}


async def test_publishing_to_nobody_is_fine(bus: Bus, channel: str) -> None:
    for _ in range(2 * OUTBOX_BOUND):
        await bus.publish(channel, b"into the void")
    assert bus.healthy
    assert bus.dropped == 0


async def test_publishing_to_a_closed_bus_is_harmless(bus: Bus, channel: str) -> None:
    async with bus.subscribe(channel):
        await bus.disconnect()
        async with asyncio.timeout(1):
            for _ in range(2 * OUTBOX_BOUND):
                await bus.publish(channel, b"too late")


async def test_a_publisher_held_up_by_a_full_queue_is_let_go_when_the_bus_closes(bus: Bus, channel: str) -> None:
    async def publish_much() -> None:
        for _ in range(2 * OUTBOX_BOUND):
            await bus.publish(channel, b"much")

    async with bus.subscribe(channel):
        publishing = asyncio.create_task(publish_much())
        await asyncio.sleep(0)
        await bus.disconnect()
        async with asyncio.timeout(PATIENCE_S):
            await publishing


async def test_entering_and_leaving_by_cancellation_at_any_moment_leaves_nothing(bus: Bus, channel: str) -> None:
    async def visit() -> None:
        async with bus.subscribe(channel) as subscription:
            await subscription.get()

    for moment in range(30):
        task = asyncio.create_task(visit())
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert bus._subscriptions == {}
    async with bus.subscribe(channel) as subscription:
        await bus.publish(channel, b"works")
        assert await receive(subscription) == b"works"


async def test_what_is_taken_at_once_ends_no_wait(bus: Bus, channel: str) -> None:
    taken: list[bytes] = []

    def take(message: Message) -> bool:
        taken.append(bytes(message))
        return bytes(message) != b"refused"

    async with bus.subscribe(channel) as subscription:
        waiting = asyncio.create_task(subscription.get(take_now=take))
        await asyncio.sleep(0)
        for message in (b"a", b"b", b"refused", b"c"):
            await bus.publish(channel, message)
        async with asyncio.timeout(10):
            assert await waiting == b"refused"
        # What came after it waits its turn.
        assert await receive(subscription) == b"c"
        assert taken == [b"a", b"b", b"refused"]


async def test_nothing_is_taken_for_who_has_stopped_waiting(bus: Bus, channel: str) -> None:
    async def wait(subscription: Subscription) -> None:
        await subscription.get(take_now=lambda message: True)

    async with bus.subscribe(channel) as subscription:
        waiting = asyncio.create_task(wait(subscription))
        await asyncio.sleep(0)
        waiting.cancel()
        await bus.publish(channel, b"kept")
        await asyncio.wait([waiting])
        assert await receive(subscription) == b"kept"
