"""One transaction for many reads that come one after the other: the messages that begin and end it are sent once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from models.transactions import Connection, Transaction


class Reads:
    """Begun when something is read first. Whoever reads takes a turn; a turn that fails ends the transaction, and the
    next one begins another, so that none spoils those of others.

    What is read later may see what others have committed meanwhile, as between transactions.
    """

    def __init__(self, make: Callable[[], Transaction]) -> None:
        self._make = make
        self._turns = asyncio.Lock()
        self._open: Transaction | None = None
        self._closed = False

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Connection]:
        """The transaction, for one reader at a time."""
        async with self._turns:
            if self._open is None:
                transaction = self._make()
                await transaction.begin()
                self._open = transaction
            try:
                connection = self._open.join()
                try:
                    yield connection
                finally:
                    self._open.leave()
            except BaseException:
                await self._end(failed=True)
                raise
            if self._closed:
                await self._end(failed=False)

    async def close(self) -> None:
        """End it, now, or after the turn of a reader who has not finished."""
        self._closed = True
        if not self._turns.locked():
            await self._end(failed=False)

    async def _end(self, *, failed: bool) -> None:
        # Whoever comes while it ends is to begin another.
        transaction, self._open = self._open, None
        if transaction is not None:
            await transaction.end(failed=failed)
