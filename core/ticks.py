"""Moments that all streams of a process share. Whoever has to wait for some milliseconds waits for one of them, so that
what wakes, wakes together: it is done in one go, while the processor still has at hand what that takes, and is stored
at the price of one.
"""

import asyncio
from collections.abc import Callable
from math import ceil, floor

import structlog

TICK_S = 0.006
"""From one tick to the next: as long as what is done at one takes at most, while a process is busy and keeps up."""
FEW_STREAMS = 24
"""So many streams of a process may each be served as soon as possible. With more, one or the other always has somebody
waiting, and what is done for several at once costs less than what would be done for each.
"""

_log = structlog.get_logger(__name__)


def nearest_tick(time_s: float) -> float:
    """The tick that is nearest to a time, both by the event loop's clock, in seconds."""
    return floor(time_s / TICK_S + 0.5) * TICK_S


def next_tick(time_s: float) -> float:
    """The first tick that is not before a time, both by the event loop's clock, in seconds."""
    return ceil(time_s / TICK_S) * TICK_S


class Ticks:
    """For many who wait: all that wait for the same time share a timer."""

    def __init__(self) -> None:
        self._waiting: dict[float, list[Callable[[float], None]]] = {}

    def call_at(self, time_s: float, callback: Callable[[float], None]) -> None:
        """Have ``callback`` called at a time of the event loop's clock, most often a tick, and told which that is."""
        if time_s not in self._waiting:
            self._waiting[time_s] = []
            asyncio.get_running_loop().call_at(time_s, self._ring, time_s)
        self._waiting[time_s].append(callback)

    def _ring(self, time_s: float) -> None:
        for callback in self._waiting.pop(time_s):
            try:
                callback(time_s)
            except Exception:
                # Those behind it are other runs'.
                _log.exception("what waited for a tick failed")
