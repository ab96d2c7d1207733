"""The bus: publish and subscribe between the tasks and processes of one deployment.

What travels here is a hint that something happened and was stored; the log in the database is the truth. A lost hint
may cost time and never data, so the bus forgets rather than waits, and tells subscribers when it may have forgotten.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from broadcaster import Broadcast, BroadcastBackend, Event

from streaming.redis_backend import RedisBackend
from streaming.subscription import QUEUE_BOUND, Missed, Subscription

__all__ = ["Bus", "Missed", "Subscription"]

# A burst is dealt out without a pause, so subscribers get a turn well before their queues overflow.
_BURST = QUEUE_BOUND // 4


class Bus(Broadcast):
    """A ``Broadcast`` whose subscriptions are acknowledged, bounded and told about gaps."""

    _backend: "MemoryBackend | RedisBackend"

    def __init__(self, backend: "MemoryBackend | RedisBackend") -> None:
        super().__init__(backend=backend)
        self._subscriptions: dict[str, set[Subscription]] = {}
        self.subscriptions = 0
        """How many there are in this process."""

    @classmethod
    def from_url(cls, redis_url: str | None) -> "Bus":
        """The bus between all processes that name the same Redis; without one, the bus of this process alone.

        Raises:
            StartupRefused: ``redis_url`` is malformed.
        """
        return cls(RedisBackend(redis_url) if redis_url else MemoryBackend())

    @property
    def healthy(self) -> bool:
        """False while messages do not get through."""
        return self._backend.healthy

    @property
    def dropped(self) -> int:
        """How many messages were published in vain, because Redis was away for too long."""
        return self._backend.dropped

    async def disconnect(self) -> None:
        """Send what is still on its way, within a second, and close. Subscribers are not woken."""
        self._listener_task.cancel()
        await asyncio.gather(self._listener_task, return_exceptions=True)
        await self._backend.disconnect()

    async def publish(self, channel: str, message: bytes) -> None:
        """Hand ``message`` to the subscribers of ``channel``, here and elsewhere; to nobody, when there are none.

        Never fails for want of Redis, and waits for room in a short queue only. Around an outage messages may arrive
        twice, and those that no longer fit into the queue are ``dropped``.
        """
        await self._backend.publish(channel, message)

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:  # type: ignore[override]  # bytes, not Event
        """Once entered, everything published afterwards arrives, or ``Missed`` in its stead.

        When Redis is lost, ``Missed`` comes at once, and again when it is back; in between, nothing does. While Redis
        does not answer, the subscription starts all the same, and with ``Missed`` once Redis is back.
        """
        subscription = Subscription()
        self._subscriptions.setdefault(channel, set()).add(subscription)
        self.subscriptions += 1
        try:
            await self._backend.subscribe(channel)
            yield subscription
        finally:
            subscription.close()
            self.subscriptions -= 1
            self._subscriptions[channel].remove(subscription)
            if not self._subscriptions[channel]:
                del self._subscriptions[channel]
                await self._backend.unsubscribe(channel)

    async def _listener(self) -> None:
        for dealt in count(1):
            event = await self._backend.next_published()
            message: Any = event.message
            for subscription in self._subscriptions.get(event.channel, ()):
                subscription.deliver(message)
            if dealt % _BURST == 0:
                await asyncio.sleep(0)


class MemoryBackend(BroadcastBackend):
    """Delivery within the process. Publishers wait for the bus, which waits for nobody, so the queue is short."""

    healthy = True
    dropped = 0

    def __init__(self) -> None:
        self._published: asyncio.Queue[Event] = asyncio.Queue(_BURST)
        self._channels: set[str] = set()

    async def connect(self) -> None:
        pass

    async def disconnect(self) -> None:
        self._channels.clear()
        while not self._published.empty():  # lets go whoever waits for room
            self._published.get_nowait()
            await asyncio.sleep(0)

    async def subscribe(self, channel: str) -> None:
        self._channels.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)

    async def publish(self, channel: str, message: Any) -> None:
        if channel in self._channels:
            await self._published.put(Event(channel, message))

    async def next_published(self) -> Event:
        return await self._published.get()
