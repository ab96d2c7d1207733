"""One run in the hands of this process."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from services.claims import Claim
from streaming.writer import RunWriter


class CancelRequested(Exception):
    """Somebody cancelled the run; what was reading the provider has stopped, and its connection is closed."""


@dataclass(slots=True)
class Execution:
    """A claimed run while it is executed here: its log, and the means to stop it from outside."""

    claim: Claim
    writer: RunWriter
    cancel_requested: bool = False
    _reader: asyncio.Task[None] | None = field(default=None, repr=False)

    def cancel(self) -> None:
        """Stop reading the provider, now or as soon as it begins."""
        self.cancel_requested = True
        if self._reader is not None:
            self._reader.cancel()

    async def interruptible(self, reading: Coroutine[Any, Any, None]) -> None:
        """Await ``reading`` in a task of its own, so that `cancel` can stop it and nothing else.

        Raises:
            CancelRequested: after `cancel`, once ``reading`` has ended.
        """
        self._reader = asyncio.create_task(reading)
        if self.cancel_requested:
            self._reader.cancel()
        try:
            await self._reader
        except asyncio.CancelledError:
            if not self._reader.done():
                # It is our own task that was cancelled: the process is stopping.
                self._reader.cancel()
                await asyncio.wait([self._reader])
                raise
            if not self.cancel_requested:
                raise
            raise CancelRequested from None
        finally:
            self._reader = None
