"""One run in the hands of this process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from services.claims import Claim
from streaming.writer import RunWriter


class CancelRequested(Exception):
    """Somebody cancelled the run; what was reading the provider has stopped, and its connection is closed."""


@dataclass(slots=True)
class Execution:
    """A claimed run while it is executed here: its log, and the means to stop it from outside.

    ``begun``: called once the run's first step has begun.
    """

    claim: Claim
    writer: RunWriter
    begun: Callable[[], None] = lambda: None
    cancel_requested: bool = False
    _reading: asyncio.Timeout | None = field(default=None, repr=False)

    def cancel(self) -> None:
        """Stop reading the provider, now or as soon as it begins."""
        self.cancel_requested = True
        if self._reading is not None:
            # A deadline that has come: unlike a plain cancellation it can be told from that of the whole process.
            self._reading.reschedule(asyncio.get_running_loop().time())
            self._reading = None

    async def interruptible(self, read: Callable[[], Awaitable[None]]) -> None:
        """Await ``read``, which `cancel` can stop, or keep from beginning, without stopping anything else.

        Raises:
            CancelRequested: after `cancel`, once ``read`` has ended.
        """
        if self.cancel_requested:
            raise CancelRequested
        try:
            async with asyncio.timeout(None) as reading:
                self._reading = reading
                await read()
        except TimeoutError:
            if not reading.expired():
                raise
            raise CancelRequested from None
        finally:
            self._reading = None
