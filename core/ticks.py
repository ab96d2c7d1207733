"""Moments that all streams of a process share. Whoever has to wait for some milliseconds waits for one of them, so that
what wakes, wakes together: it is done in one go, while the processor still has at hand what that takes, and is stored
at the price of one.
"""

import asyncio
from math import floor

TICK_S = 0.009
"""From one tick to the next."""


def nearest_tick(time_s: float) -> float:
    """The tick that is nearest to a time, both by the event loop's clock, in seconds."""
    return floor(time_s / TICK_S + 0.5) * TICK_S


class Ticks:
    """For many who wait: all that wait for the same tick share a timer."""

    def __init__(self) -> None:
        self._waiting: dict[float, list[asyncio.Future[None]]] = {}

    async def sleep(self, about_s: float) -> None:
        """Until the tick that is nearest to the end of so many seconds."""
        loop = asyncio.get_running_loop()
        tick = nearest_tick(loop.time() + about_s)
        if tick not in self._waiting:
            self._waiting[tick] = []
            loop.call_at(tick, self._wake, tick)
        awake = loop.create_future()
        self._waiting[tick].append(awake)
        await awake

    def _wake(self, tick: float) -> None:
        for awake in self._waiting.pop(tick):
            if not awake.done():
                awake.set_result(None)
