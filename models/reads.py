"""Many reads that come one after the other, on one connection at most: each a statement by itself, or all in one
transaction, so that the messages that begin and end it are sent once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from models.transactions import Alone, Connection, Guard, Transaction


class Reads:
    """Begun when something is read first. Whoever reads takes a turn; a turn that fails ends the transaction, and the
    next one begins another, so that none spoils those of others.

    What is read later may see what others have committed meanwhile, as between transactions. ``alone`` makes what
    finds the same as the transaction that ``make`` does. ``guard``: goes with statements by themselves until it has
    held.
    """

    def __init__(self, make: Callable[[], Transaction], alone: Callable[[], Alone], guard: Guard | None = None) -> None:
        self._make = make
        self._guard = guard
        self._make_alone = alone
        self._alone: Alone | None = None
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

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """As `models.transactions.Reader`, in a turn of its own. No transaction is begun for it; where one is open it
        takes place there, so that it waits for no second connection.
        """
        async with self._turns:
            if self._open is None:
                if self._alone is None:
                    self._alone = self._make_alone()
                if self._guard is not None and not self._guard.has_held:
                    return await self._alone.records_if(self._guard, sql, values, record_class)
                return await self._alone.records(sql, values, record_class)
        async with self.turn() as connection:
            return await connection.records(sql, values, record_class)

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
