"""Who may begin, one in each turn of the event loop, and fewer while that is late: so a burst of operations holds up
nothing that is under way.

All that is ready is done in each turn. If a hundred operations begin in one, they go on side by side, and each of the
some five turns that a piece of text takes on its way is as long as a step of all of them. Begun one by one, few are at
the same step, and altogether they take no longer: turns follow each other without a pause while somebody waits. Once
there is more to do than can be done in time, whoever begins then makes all that is under way later still.
"""

import asyncio
from collections import deque
from enum import IntEnum

LOOK_S = 0.001
"""How often it is looked at whether the loop keeps time, while somebody begins."""
LATE_S = 0.0015
"""A loop that calls so much too late does not."""
MOST_LOOKS = 5
"""After so many looks at a loop that is late somebody begins all the same."""


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
        self._is_looked_at = self._is_late = False
        # The next one begins when it is looked at whether the loop is late.
        self._is_put_off = False
        self._looks = 0

    async def take(self, urgency: Urgency) -> None:
        """Return in a turn in which nobody else begins: in this one, if that may be."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._end_turn, loop)
            if not self._is_looked_at:
                self._is_looked_at = True
                self._look_soon(loop)
            return
        turn = loop.create_future()
        self._waiting[urgency].append(turn)
        await turn

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_late:
            self._is_put_off = True
        else:
            self._pass_on(loop)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiting in self._waiting:
            while waiting:
                turn = waiting.popleft()
                if not turn.done():  # it was cancelled
                    turn.set_result(None)
                    loop.call_soon(self._end_turn, loop)
                    return
        self._is_taken = False

    def _look_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        at = loop.time() + LOOK_S
        loop.call_at(at, self._look, loop, at)

    def _look(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._is_late = loop.time() - at > LATE_S
        self._looks = self._looks + 1 if self._is_late else 0
        if self._is_put_off and (not self._is_late or self._looks >= MOST_LOOKS):
            self._is_put_off, self._looks = False, 0
            self._pass_on(loop)
        if self._is_taken:
            self._look_soon(loop)
        else:
            self._is_looked_at = self._is_late = False
