"""Many reads that come one after the other, on one connection at most: each a statement by itself, or all in one
transaction, so that the messages that begin and end it are sent once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from core.principals import Principal
from models.database import as_seen_by
from models.transactions import Connection, Transaction, lone_statement


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

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        """What a statement finds that sets its scope by itself (`models.database.as_seen_by`): no transaction is begun
        for it, but where one is open it takes a turn there, so that it waits for no second connection.
        """
        async with self._turns:
            if self._open is None:
                return await lone_statement(sql, values, record_class)
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


class SeenBy:
    """Finds what the transaction of `models.database.seen_by` would, a message for each statement where that takes two
    more; in turn with all else in ``reads``, if that is given.
    """

    def __init__(self, principal: Principal, reads: Reads | None) -> None:
        self._principal = principal
        self._records = reads.records if reads else lone_statement

    async def records(
        self, sql: str, values: Sequence[Any], record_class: type[asyncpg.Record] = asyncpg.Record
    ) -> list[asyncpg.Record]:
        return await self._records(*as_seen_by(self._principal, sql, values), record_class)
