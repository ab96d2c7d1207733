"""What a subscriber of the bus holds: a bounded queue that says so when it lost something."""

import asyncio
from collections import deque
from dataclasses import dataclass

QUEUE_BOUND = 256
"""Messages kept for a subscriber that does not keep up."""
QUEUE_BYTES = 1024 * 1024
"""The most that they hold together, though the newest one is kept whatever its size."""


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
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._missed = False
        self._filled = asyncio.Event()

    def deliver(self, message: bytes | Missed) -> None:
        """Queue a message; for the bus alone. Never waits."""
        if isinstance(message, Missed):
            self._missed = True
        else:
            self._messages.append(message)
            self._bytes += len(message)
            while len(self._messages) > QUEUE_BOUND or (self._bytes > QUEUE_BYTES and len(self._messages) > 1):
                self._take()
                self._missed = True
        self._filled.set()

    async def get(self) -> bytes | Missed:
        """The next message, waiting until there is one. Cancelling the wait loses nothing."""
        while not (self._missed or self._messages):
            self._filled.clear()
            await self._filled.wait()
        if self._missed:
            self._missed = False
            return Missed()
        return self._take()

    def _take(self) -> bytes:
        message = self._messages.popleft()
        self._bytes -= len(message)
        return message
