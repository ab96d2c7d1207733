"""What callers may use over time: a leaky bucket for each, which runs out steadily and must not overflow.

A bucket is one number, the time at which it will be empty if nothing more comes: the generic cell rate algorithm,
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm. With Redis all processes share the buckets, each taken from
by one script, which Redis runs as a whole. While Redis is away every process goes by buckets of its own: limits are
then those of one process each, and nobody is refused or kept waiting for want of Redis.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import structlog
from cachetools import LRUCache
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from streaming.redis_backend import connections

# A bucket takes some hundred bytes; one that is forgotten counts as empty.
MOST_LOCAL = 50_000
ANSWER_TIMEOUT_S = 0.25
"""How long Redis may take; what is asked meanwhile waits, so that this is the most that an outage costs a request."""
PAUSE_S = 1.0
"""How long Redis is left alone after it failed."""
ROUNDING_S = 1e-6
"""What sums of times may be wrong by: nobody who waited for room is sent away for that, or told of a point less.
"""
_PREFIX = "synapse:bucket:"
_TAKE = f"""
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local amount, capacity, leak = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local empty_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local filled_until = empty_at + amount / leak
local wait = filled_until - now - capacity / leak
if wait > {ROUNDING_S:f} then
  return {{string.format('%.6f', wait), string.format('%.6f', capacity - (empty_at - now) * leak)}}
end
redis.call('SET', KEYS[1], string.format('%.6f', filled_until), 'PX', math.ceil((filled_until - now) * 1000) + 1000)
return {{'0', string.format('%.6f', capacity - (filled_until - now) * leak)}}
"""
_TAKE_SHA = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """``capacity``: what a bucket holds; ``leak``: how much of it runs out each second."""

    capacity: int
    leak: int


@dataclass(frozen=True, slots=True)
class Taken:
    """``wait_s``: 0 where the amount went in, otherwise how long until it would. ``remaining``: what room is left."""

    wait_s: float
    remaining: int


class Buckets(Protocol):
    """The buckets of all callers, by name."""

    async def take(self, name: str, amount: int, rate: Rate) -> Taken:
        """Puts ``amount`` into the bucket if there is room for it, and leaves it as it is otherwise."""

    async def aclose(self) -> None:
        """Lets go of what it is connected to."""


class LocalBuckets:
    """Those of this process."""

    def __init__(self) -> None:
        self._empty_at: LRUCache[str, float] = LRUCache(MOST_LOCAL)

    async def take(self, name: str, amount: int, rate: Rate) -> Taken:
        now = monotonic()
        empty_at = max(now, self._empty_at.get(name, 0.0))
        filled_until = empty_at + amount / rate.leak
        wait_s = filled_until - now - rate.capacity / rate.leak
        if wait_s <= ROUNDING_S:
            wait_s = 0.0
            self._empty_at[name] = empty_at = filled_until
        return Taken(wait_s, _whole(rate.capacity - (empty_at - now) * rate.leak, rate))

    async def aclose(self) -> None:
        pass


class RedisBuckets:
    """Those of all processes that name the same Redis.

    Raises:
        StartupRefused: ``url`` is malformed.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_pool(connections(url))
        self._local = LocalBuckets()
        self._away_until = 0.0
        self._is_away = False

    async def take(self, name: str, amount: int, rate: Rate) -> Taken:
        if monotonic() < self._away_until:
            return await self._local.take(name, amount, rate)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                wait_s, remaining = await self._run(_PREFIX + name, amount, rate.capacity, rate.leak)
        except Exception as error:
            self._away_until = monotonic() + PAUSE_S
            if not self._is_away:
                self._is_away = True
                _log.warning("Redis keeps no limits; this process goes by its own", error=repr(error))
            return await self._local.take(name, amount, rate)
        if self._is_away:
            self._is_away = False
            _log.info("Redis keeps the limits again")
        return Taken(float(wait_s), _whole(float(remaining), rate))

    async def _run(self, *key_and_arguments: Any) -> tuple[bytes, bytes]:
        try:
            found: Any = await self._redis.evalsha(_TAKE_SHA, 1, *key_and_arguments)
        except NoScriptError:
            found = await self._redis.eval(_TAKE, 1, *key_and_arguments)
        return found[0], found[1]

    async def aclose(self) -> None:
        await self._redis.aclose()


def _whole(points: float, rate: Rate) -> int:
    # By less than a point, however quickly it runs out.
    return int(points + min(ROUNDING_S * rate.leak, 0.5))


def buckets_from_url(redis_url: str | None) -> Buckets:
    """Buckets of all processes that name the same Redis; without one, of this process alone.

    Raises:
        StartupRefused: ``redis_url`` is malformed.
    """
    return RedisBuckets(redis_url) if redis_url else LocalBuckets()
