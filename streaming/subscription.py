"""What a subscriber of the bus holds: a bounded queue that says so when it lost something."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

QUEUE_BOUND = 256
"""Messages kept for a subscriber that does not keep up."""
QUEUE_BYTES = 1024 * 1024
"""The most that they hold together, though the newest one is kept whatever its size."""


class Message(Protocol):
    """What travels on the bus: bytes between processes, and within one whatever can become bytes. Its length is what it
    takes to keep, more or less in bytes.
    """

    def __len__(self) -> int: ...

    def __bytes__(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Missed:
    """Handed out in place of a message: some may have been lost since the last one, so read the log again."""


class Subscription:
    """The messages of one channel, in the order of publishing, for one subscriber.

    A slow subscriber loses the oldest of more than ``QUEUE_BOUND`` messages or ``QUEUE_BYTES``, and is told so by
    one ``Missed``; it never slows down the others. ``Missed`` overtakes what is queued, so messages that the log
    already had may follow it.
    """

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._missed = False
        self._waiting: asyncio.Future[bool] | None = None
        self._take_now: Callable[[Message], bool] | None = None
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def deliver(self, message: Message | Missed) -> None:
        """Queue a message, if it is not taken at once; for the bus alone. Never waits."""
        if isinstance(message, Missed):
            self._missed = True
        elif self._take_now is not None and self._waiter is not None and self._take_now(message):
            return
        else:
            self._messages.append(message)
            self._bytes += len(message)
            while len(self._messages) > QUEUE_BOUND or (self._bytes > QUEUE_BYTES and len(self._messages) > 1):
                self._take()
                self._missed = True
        self._wake(True)

    @property
    def has_more(self) -> bool:
        """Whether `get` has something to return, without waiting."""
        return self._missed or bool(self._messages)

    async def get(
        self, deadline: float = math.inf, take_now: Callable[[Message], bool] | None = None
    ) -> Message | Missed | None:
        """The next message, waiting until there is one; None when there is none by ``deadline``, which is a time of the
        event loop. Cancelling the wait loses nothing. One task at a time may wait.

        ``take_now``: is shown each message that comes during the wait, as it is published, and takes it, which does not
        end the wait, or returns false. It must not raise.
        """
        while not (self._missed or self._messages):
            if not await self._wait(deadline, take_now):
                return None
        if self._missed:
            self._missed = False
            return Missed()
        return self._take()

    def close(self) -> None:
        """Forget about time; for the bus alone, and once nobody waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _wait(self, deadline: float, take_now: Callable[[Message], bool] | None) -> bool:
        """Until a message comes; false where none has by ``deadline``. Without asyncio's time-outs, which cost more
        than all else that is done for a message.
        """
        loop = asyncio.get_running_loop()
        if deadline <= loop.time():
            return False
        self._deadline = deadline
        self._set_timer(loop)
        self._waiting, self._take_now = loop.create_future(), take_now
        try:
            # Not by the clock: timers may be some tenths of a millisecond ahead of it.
            return await self._waiting
        finally:
            self._waiting = self._take_now = None

    @property
    def _waiter(self) -> asyncio.Future[bool] | None:
        """What still waits: it may have been cancelled, or woken, and not have had its turn yet."""
        return self._waiting if self._waiting is not None and not self._waiting.done() else None

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have a timer that goes off by the deadline. One that does so earlier will do: then it is set anew, which is
        seldom, as most who wait get a message long before.
        """
        if self._deadline == math.inf or (self._timer is not None and self._timer.when() <= self._deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._deadline, self._ring, loop, self._deadline)

    def _ring(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._deadline <= at:
            self._wake(False)
        else:
            self._set_timer(loop)

    def _wake(self, has_come: bool) -> None:
        if (waiter := self._waiter) is not None:
            waiter.set_result(has_come)

    def _take(self) -> Message:
        message = self._messages.popleft()
        self._bytes -= len(message)
        return message
