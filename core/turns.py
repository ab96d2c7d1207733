"""Who may begin, one in each turn of the event loop: so a burst of operations holds up nothing that is under way.

All that is ready is done in each turn. If a hundred operations begin in one, they go on side by side, and each of the
some five turns that a piece of text takes on its way is as long as a step of all of them. Begun one by one, few are at
the same step, and altogether they take no longer: turns follow each other without a pause while somebody waits.
"""

import asyncio
from collections import deque
from enum import IntEnum


class Urgency(IntEnum):
    """Who goes first. Who follows a run may be late for what it says already; who begins one makes more to do."""

    FOLLOW = 0
    ASK = 1
    BEGIN = 2


class Turns:
    """Of one event loop."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = tuple(deque() for _ in Urgency)

    async def take(self, urgency: Urgency) -> None:
        """Return in a turn in which nobody else begins: in this one, if that may be."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._pass_on, loop)
            return
        turn = loop.create_future()
        self._waiting[urgency].append(turn)
        await turn

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiting in self._waiting:
            while waiting:
                turn = waiting.popleft()
                if not turn.done():  # it was cancelled
                    turn.set_result(None)
                    loop.call_soon(self._pass_on, loop)
                    return
        self._is_taken = False
