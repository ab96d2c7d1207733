"""Waits that fail instead of hanging."""

import asyncio
from collections.abc import Callable

from streaming.bus import Message, Missed, Subscription

PATIENCE_S = 5.0


async def receive(subscription: Subscription) -> Message | Missed:
    message = await subscription.get(asyncio.get_running_loop().time() + PATIENCE_S)
    assert message is not None, "nothing came"
    return message


async def receive_until(subscription: Subscription, last: bytes) -> list[Message | Missed]:
    """Everything up to the message ``last``."""
    received = [await receive(subscription)]
    while received[-1] != last:
        received.append(await receive(subscription))
    return received


async def is_silent(subscription: Subscription, seconds: float = 0.05) -> bool:
    return await subscription.get(asyncio.get_running_loop().time() + seconds) is None


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.005)
