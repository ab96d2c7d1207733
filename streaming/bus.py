"""The bus: publish and subscribe between the tasks and processes of one deployment.

What travels here is a hint that something happened and was stored; the log in the database is the truth. A lost hint
may cost time and never data, so the bus forgets rather than waits, and tells subscribers when it may have forgotten.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from broadcaster import Broadcast, BroadcastBackend

from streaming.redis_backend import RedisBackend
from streaming.subscription import QUEUE_BOUND, Message, Missed, Subscription

__all__ = ["Bus", "Message", "Missed", "Subscription"]

# A burst is dealt out without a pause, so subscribers get a turn well before their queues overflow.
_BURST = QUEUE_BOUND // 4


class Bus(Broadcast):
    """A ``Broadcast`` whose subscriptions are acknowledged, bounded and told about gaps."""

    _backend: "MemoryBackend | RedisBackend"

    def __init__(self, backend: "MemoryBackend | RedisBackend") -> None:
        super().__init__(backend=backend)
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._dealt = 0
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

    async def publish(self, channel: str, message: Message) -> None:
        """Hand ``message`` to the subscribers of ``channel``, here and elsewhere; to nobody, when there are none.

        Never fails for want of Redis, and waits for room in a short queue only. Around an outage messages may arrive
        twice, and those that no longer fit into the queue are ``dropped``.
        """
        await self.publish_all([(channel, message)])

    async def publish_all(self, messages: Iterable[tuple[str, Message]]) -> None:
        """As `publish`, each of them to its channel."""
        for channel, message in messages:
            if not isinstance(self._backend, MemoryBackend):
                await self._backend.publish(channel, bytes(message))
            elif self._deal(channel, message):
                await asyncio.sleep(0)

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
        while True:
            event = await self._backend.next_published()
            if self._deal(event.channel, event.message):
                await asyncio.sleep(0)

    def _deal(self, channel: str, message: Any) -> bool:
        """Whether it is time to let subscribers have their turn."""
        for subscription in self._subscriptions.get(channel, ()):
            subscription.deliver(message)
        self._dealt += 1
        return self._dealt % _BURST == 0


class MemoryBackend(BroadcastBackend):
    """For a bus of one process, which deals out by itself what is published: nothing comes from elsewhere."""

    healthy = True
    dropped = 0

    def __init__(self) -> None:
        pass  # there is no URL to keep

    async def connect(self) -> None:
        pass

    async def disconnect(self) -> None:
        pass

    async def subscribe(self, channel: str) -> None:
        pass

    async def unsubscribe(self, channel: str) -> None:
        pass

    async def publish(self, channel: str, message: Any) -> NoReturn:
        raise NotImplementedError

    async def next_published(self) -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("That is never done.")
