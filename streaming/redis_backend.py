"""Redis behind broadcaster's backend interface: https://redis.io/docs/latest/develop/pubsub/.

Two connections per process: one for all subscriptions, one for publishing. ``next_published`` is the only reader of
the first, and it brings that connection back whenever it breaks; ``_tell_redis`` keeps the channels that Redis
was told about in step with the ones that are wanted.
"""

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Any

import structlog
from broadcaster import BroadcastBackend, Event
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from core.errors import StartupRefused
from streaming.backoff import backoff_s
from streaming.redis_publisher import RedisPublisher
from streaming.subscription import Missed

CONNECT_TIMEOUT_S = 2.0
HEARTBEAT_S = 2.0
"""Redis is asked for a sign of life after such a silence, and given up after another."""
ACKNOWLEDGE_TIMEOUT_S = 1.0
"""The longest that entering a subscription takes when Redis does not answer."""

_log = structlog.get_logger(__name__)


class RedisBackend(BroadcastBackend):
    """Channels of one Redis, whatever happens to the connections.

    Of each wanted channel it knows an event that releases whoever enters a subscription: Redis acknowledged it, or
    nobody should wait any longer. An acknowledgement that comes after the release, be it late or upon a new connection,
    means that messages may have been lost before it, and becomes a ``Missed`` in the channel. So does the loss of the
    connection: whoever waits for messages should know that none will come.

    Raises:
        StartupRefused: ``url`` is malformed.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_pool(connections(url))
        self._publisher = RedisPublisher(self._redis)
        self._pubsub: PubSub | None = None
        self._lost_at: float | None = None
        self._failures = 0
        self._wanted: dict[bytes, asyncio.Event] = {}
        # What Redis was told to subscribe this connection to, and what of it Redis says that it did.
        self._told: set[bytes] = set()
        self._acknowledged: set[bytes] = set()
        self._changed = asyncio.Event()
        # Of the channels whose messages no longer come.
        self._alarms: deque[Event] = deque()
        self._telling: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return self._lost_at is None and not self._publisher.failing

    @property
    def dropped(self) -> int:
        return self._publisher.dropped

    async def connect(self) -> None:
        """Raises StartupRefused when Redis cannot be reached or refuses the credentials."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._redis.ping()
            await self._open()
        except Exception as error:
            await self._close()
            await self._redis.aclose()
            reason = str(error) or f"no answer within {CONNECT_TIMEOUT_S:g} s"
            raise StartupRefused(f"Redis cannot be used: {reason} Start it, or correct REDIS_URL.") from error
        self._telling = asyncio.create_task(self._tell_redis())
        self._publisher.start()

    async def disconnect(self) -> None:
        await self._publisher.stop()
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._close()
        await self._redis.aclose()

    async def publish(self, channel: str, message: Any) -> None:
        await self._publisher.publish(channel, message)

    async def subscribe(self, channel: str) -> None:
        name = channel.encode()
        released = self._wanted.setdefault(name, asyncio.Event())
        if self._pubsub is None or name in self._acknowledged:
            released.set()
        self._changed.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT_S):
                await released.wait()
        released.set()

    async def unsubscribe(self, channel: str) -> None:
        """Never waits, so that a cancelled subscriber leaves nothing behind."""
        self._wanted.pop(channel.encode(), None)
        self._changed.set()

    async def next_published(self) -> Event:
        while not self._alarms:
            # Whatever goes wrong here is cured by a new connection; were it to end the listener, all would go deaf.
            try:
                event = self._interpret(await self._receive())
            except Exception as error:
                await self._lose_connection(error)
            else:
                if event is not None:
                    return event
        return self._alarms.popleft()

    async def _open(self) -> PubSub:
        """Connect and subscribe to all that is wanted. The pong that comes last shows that all of it worked."""
        pubsub = self._redis.pubsub()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await pubsub.connect()  # type: ignore[no-untyped-call]
            self._pubsub = pubsub
            self._told = set(self._wanted)
            if self._told:
                await pubsub.subscribe(*self._told)
            await pubsub.ping()
        return pubsub

    async def _receive(self) -> dict[str, Any]:
        pubsub = self._pubsub or await self._open()
        for _ in range(2):
            message: dict[str, Any] | None = await pubsub.get_message(timeout=HEARTBEAT_S)
            if pubsub is not self._pubsub:
                raise ConnectionError("a command could not be sent")
            if message is not None:
                return message
            await pubsub.ping()
        raise TimeoutError(f"no answer within {HEARTBEAT_S:g} s")

    def _interpret(self, message: dict[str, Any]) -> Event | None:
        match message:
            case {"type": "message", "channel": bytes(name), "data": data}:
                return Event(name.decode(), data)
            case {"type": "subscribe", "channel": bytes(name)}:
                return self._acknowledge(name)
            case {"type": "pong"}:
                self._failures = 0
                if self._lost_at is not None:
                    _log.info("Redis connection restored", outage_s=round(monotonic() - self._lost_at, 3))
                    self._lost_at = None
        return None

    def _acknowledge(self, name: bytes) -> Event | None:
        self._acknowledged.add(name)
        released = self._wanted.get(name)
        if released is None:
            self._changed.set()  # its last subscriber left in the meantime, so it can be unsubscribed now
        elif released.is_set():
            return _missed(name)
        else:
            released.set()
        return None

    async def _lose_connection(self, error: Exception) -> None:
        if self._lost_at is None:
            _log.warning("Redis connection lost; connecting again", error=f"{type(error).__name__}: {error}")
            self._lost_at = monotonic()
            self._alarms.extend(_missed(name) for name in self._wanted)
        await self._close()
        await asyncio.sleep(backoff_s(self._failures))
        self._failures += 1

    async def _close(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        self._told.clear()
        self._acknowledged.clear()
        if pubsub is not None:
            with suppress(Exception):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _tell_redis(self) -> None:
        """Subscribe and unsubscribe in batches, as channels come and go.

        A channel is unsubscribed only after Redis acknowledged it; so there is never more than one acknowledgement
        on its way, and it can't be taken for that of a later subscription.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            if (pubsub := self._pubsub) is None:
                continue
            gone = self._acknowledged - self._wanted.keys()
            new = self._wanted.keys() - self._told
            self._acknowledged -= gone
            self._told = self._told - gone | new
            try:
                if gone:
                    await pubsub.unsubscribe(*gone)
                if new and pubsub is self._pubsub:  # one that was closed meanwhile would connect again, with no reader
                    await pubsub.subscribe(*new)
            except Exception:
                if pubsub is self._pubsub:
                    await self._close()  # the reader sees it, and opens another


def _missed(name: bytes) -> Event:
    message: Any = Missed()
    return Event(name.decode(), message)


def connections(url: str) -> ConnectionPool:
    """Connections that do not reconnect by themselves, which would hide that messages were lost.

    Time limits are set around whole operations here instead; redis-py's own, per read and write, start a task each.
    Version 2 of the protocol, as version 3 brings redis-py's maintenance mode, which takes dead connections for live.
    """
    try:
        pool = ConnectionPool.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0, supported_errors=()))
    except ValueError as error:
        raise StartupRefused(f"REDIS_URL is malformed: {error}") from error
    pool.connection_kwargs.update(socket_timeout=None, decode_responses=False)
    return pool
